"""PNG, JPEG, WebP, BMP and TIFF, by Pillow."""

import io
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageOps

from model.formats import parts
from model.formats.common import Budget, OverLimit, ReadError, Scan, Series, UnsupportedFormat, damaged, only_finite

PLUGINS = {"JPEG": ("JPEG", "MPO")}  # MPO: a JPEG that holds further pictures, as some cameras write it; the first is read
PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B", "F")
TILE_WIDTH, TILE_LENGTH = 322, 323
COPIES = 4  # pages of a TIFF, smaller copies among them, for each slice that is allowed
NEW_SUBFILE_TYPE = 254  # TIFF 6.0: bit 0 is set on a page that is a smaller copy of another


def read(data: bytes, format: str, budget: Budget) -> Scan:
    """Decode a picture, or every page of a TIFF. Pages of one size are taken for a stack, whose spacing nobody knows.

    Raises:
        UnsupportedFormat: an animation.
        ReadError: damaged, over the limits, or without a finite value.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a broken EXIF block is none; and the budget knows the sizes
            parts.CHECKS.get(format, len)(data)
            return _read(data, format, budget)
    except Image.DecompressionBombError:
        raise OverLimit(f"Expected at most {budget.limits.max_pixels:,} pixels. Received: many more.") from None
    except ReadError:
        raise
    except Exception:  # Pillow's plugins raise whatever a broken file leads them into
        raise damaged(f"{format} image") from None


def _read(data: bytes, format: str, budget: Budget) -> Scan:
    with Image.open(io.BytesIO(data), formats=PLUGINS.get(format, (format,))) as image:
        if format == "TIFF":
            slices = list(_pages(image, budget))
        elif format != "JPEG" and (pictures := getattr(image, "n_frames", 1)) > 1:
            raise UnsupportedFormat(f"Expected one picture. Received: an animated {format} of {pictures:,} pictures.")
        else:
            slices = [_page(image, budget)]
    stack = len(slices) > 1 and len({pixels.shape for pixels in slices}) == 1
    return Scan(format, slices, (Series(0, len(slices)),) if stack else ())


def _pages(image: Image.Image, budget: Budget):
    """Yield each page but smaller copies, or the first one where all are. Pages are not counted before: Pillow compares each
    with all before it.
    """
    most, none = budget.limits.max_slices, True
    for page in range(COPIES * most):
        try:
            image.seek(page)
        except EOFError:
            break
        if not int(image.tag_v2.get(NEW_SUBFILE_TYPE, 0)) & 1:
            none = False
            yield _page(image, budget, _tile(image))
    else:
        raise OverLimit(f"Expected at most {most:,} slices. Received: many more.")
    if none:
        image.seek(0)
        yield _page(image, budget, _tile(image))


def _tile(image: Image.Image) -> tuple[int, int]:
    """Height and width of a page's tiles, or (0, 0)."""
    return int(image.tag_v2.get(TILE_LENGTH, 0)), int(image.tag_v2.get(TILE_WIDTH, 0))


def _page(image: Image.Image, budget: Budget, tile: tuple[int, int] = (0, 0)) -> np.ndarray:
    """(H, W) or (H, W, 2..4), uint8 or wider, turned as EXIF says."""
    # A tile is decoded whole, also one that is larger than its page and compressed to next to nothing.
    budget.take(max(image.height, tile[0]), max(image.width, tile[1]))
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # else it would be copied, and a picture may be large
        image = ImageOps.exif_transpose(image)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in PLAIN_MODES:
        image = image.convert("RGB")
    return only_finite(np.asarray(image))
