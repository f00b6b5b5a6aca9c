"""Bytes in, slices out. The format is read from the bytes; a file's name is never asked."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
PILLOW_FORMATS = {*FORMATS, "MPO"}  # a JPEG that holds further pictures, as some cameras write it: the first is read
MAGICS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"BM",
    b"II*\0",
    b"MM\0*",
)  # what cannot be opened in spite of these is damaged
MAX_PIXELS = 64_000_000


class ReadError(ValueError):
    """What came cannot become a slice; the message says what was expected and what came."""

    code = "unreadable"


class UnsupportedFormat(ReadError):
    """The bytes are not of a format that is read."""

    code = "unsupported_format"


class EmptyFile(ReadError):
    """There are no bytes."""

    code = "empty_file"


def read(data: bytes, max_pixels: int = MAX_PIXELS) -> list[np.ndarray]:
    """Decode a file's bytes, in memory.

    Returns:
        The slices, each (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), uint8 or wider, rotated as its EXIF tag says.

    Raises:
        EmptyFile: no bytes.
        UnsupportedFormat: not PNG, JPEG, WebP, BMP or TIFF.
        ReadError: of such a format, but damaged, or of more than `max_pixels` pixels.
    """
    if not data:
        raise EmptyFile("The file is empty. Expected an image.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        if data.startswith(MAGICS):
            raise ReadError("The image's header is damaged or cut short.") from None
        raise UnsupportedFormat(f"Expected a PNG, JPEG, WebP, BMP or TIFF image. Received: {_describe(data)}.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ReadError(f"Expected at most {max_pixels:,} pixels. Received: many more.") from None
    except Exception as error:  # Pillow's plugins raise whatever a broken header leads them into
        raise ReadError(f"The image's header is damaged ({type(error).__name__}).") from None
    with image:
        if image.format not in PILLOW_FORMATS:
            raise UnsupportedFormat(f"Expected a PNG, JPEG, WebP, BMP or TIFF image. Received: {image.format}.")
        if image.width * image.height > max_pixels:
            raise ReadError(f"Expected at most {max_pixels:,} pixels. Received: {image.width} x {image.height}.")
        try:
            pixels = _pixels(image)
        except Exception as error:  # as above: a truncated or corrupt stream surfaces as many types
            raise ReadError(f"The {image.format} image is damaged or cut short ({type(error).__name__}).") from None
    if not np.isfinite(pixels).any():
        raise ReadError(f"The {image.format} image holds no finite value.")
    return [pixels]


def _pixels(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B", "F"):
        image = image.convert("RGB")
    return np.array(image)


def _describe(data: bytes) -> str:
    for magic, name in ((b"%PDF", "a PDF"), (b"PK\x03\x04", "a ZIP or office file"), (b"\x1f\x8b", "a gzip file")):
        if data.startswith(magic):
            return name
    if data[128:132] == b"DICM":
        return "a DICOM file, which this version does not read"
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<svg", b"<?xml")):
        return "a text document (HTML, SVG or XML)"
    return f"{len(data):,} bytes of something else"
