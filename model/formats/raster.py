"""PNG, JPEG, WebP, BMP and TIFF, by Pillow."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from model.formats.common import Budget, OverLimit, ReadError, Scan, Series, UnsupportedFormat, damaged, only_finite

PLUGINS = {"JPEG": ("JPEG", "MPO")}  # MPO: a JPEG that holds further pictures, as some cameras write it; the first is read
PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B", "F")
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
            return _read(data, format, budget)
    except Image.DecompressionBombError:
        raise OverLimit(f"Expected at most {budget.limits.max_pixels:,} pixels. Received: many more.") from None
    except ReadError:
        raise
    except Exception:  # Pillow's plugins raise whatever a broken file leads them into
        raise damaged(f"{format} image") from None


def _read(data: bytes, format: str, budget: Budget) -> Scan:
    with Image.open(io.BytesIO(data), formats=PLUGINS.get(format, (format,))) as image:
        pages = getattr(image, "n_frames", 1)
        if format == "TIFF":
            slices = list(_pages(image, pages, budget))
        elif pages > 1 and format != "JPEG":
            raise UnsupportedFormat(f"Expected one picture. Received: an animated {format} of {pages:,} pictures.")
        else:
            slices = [_page(image, budget)]
    stack = len(slices) > 1 and len({pixels.shape for pixels in slices}) == 1
    return Scan(format, slices, (Series(0, len(slices)),) if stack else ())


def _pages(image: Image.Image, count: int, budget: Budget):
    for page in range(count):
        image.seek(page)
        if not int(image.tag_v2.get(NEW_SUBFILE_TYPE, 0)) & 1 or count == 1:
            yield _page(image, budget)


def _page(image: Image.Image, budget: Budget) -> np.ndarray:
    """(H, W) or (H, W, 2..4), uint8 or wider, turned as EXIF says."""
    budget.take(image.height, image.width)
    image = ImageOps.exif_transpose(image)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in PLAIN_MODES:
        image = image.convert("RGB")
    return only_finite(np.array(image))
