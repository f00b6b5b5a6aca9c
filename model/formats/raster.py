"""PNG, JPEG, WebP, BMP and TIFF, by Pillow."""

import io
import struct
import warnings
from collections.abc import Mapping

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from model.formats import parts
from model.formats.common import Budget, OverLimit, ReadError, Scan, Series, UnsupportedFormat, damaged, only_finite

PLUGINS = {"JPEG": ("JPEG", "MPO")}  # MPO: a JPEG that holds further pictures, as some cameras write it; the first is read
PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B", "F")
TILE_WIDTH, TILE_LENGTH = 322, 323
WIDTH, BITS, PHOTOMETRIC, SAMPLE_FORMAT = 256, 258, 262, 339
WHITE_IS_ZERO = 0  # of PHOTOMETRIC
UNSIGNED, SIGNED = 1, 2  # of SAMPLE_FORMAT
BIG_TIFF = 43  # the third byte
VALUE_BYTES = {  # by type: TIFF 6.0, section 2, and BigTIFF
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8,
}  # fmt: skip
FEWEST_LEVELS = 128  # of 256, that the upper 8 of 16 bits must span: what uses fewer has lost too much with the lower 8
COPIES = 4  # pages of a TIFF, smaller copies among them, for each slice that is allowed
NEW_SUBFILE_TYPE = 254  # TIFF 6.0: bit 0 is set on a page that is a smaller copy of another


def read(data: bytes, format: str, budget: Budget) -> Scan:
    """Decode a picture, or every page of a TIFF. Pages of one size are taken for a stack, whose spacing nobody knows.

    Raises:
        UnsupportedFormat: an animation, a TIFF of numbers that Pillow does not decode, or several channels of 16 bits of which
            too little is left in the 8 that it does.
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
    except UnidentifiedImageError:
        if format == "TIFF" and _has_a_directory(data):
            raise UnsupportedFormat(
                "Expected a TIFF of numbers that are read, such as whole ones of 16 bits or floats of 32. "
                "Received: one of other numbers or channels. Please save it as PNG."
            ) from None
        raise damaged(f"{format} image") from None
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
    slices = _as_gray(slices)
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
    tags = image.tag_v2 if image.format == "TIFF" else {}
    deep = image.format in ("PNG", "TIFF") and any(";16" in str(tile[3]) for tile in image.tile)
    coarse = deep and image.mode in ("RGB", "RGBA")
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # else it would be copied, and a picture may be large
        image = ImageOps.exif_transpose(image)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in PLAIN_MODES:
        image = image.convert("RGB")
    if coarse and np.ptp(np.asarray(image)[..., :3]) < FEWEST_LEVELS:
        raise UnsupportedFormat(
            "Expected one channel of gray where a picture has 16 bits. Received: several, which use few of their values. "
            "Please save it as gray."
        )
    return only_finite(_as_meant(np.asarray(image), tags))


def _as_meant(values: np.ndarray, tags: Mapping) -> np.ndarray:
    """A page's numbers where Pillow takes signed ones for unsigned, or the reverse; brighter is more, where 0 is white.

    Of 8 unsigned bits, and of colors, Pillow itself makes that.
    """
    kind = tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0]
    if kind == SIGNED and values.dtype == np.uint8:
        return values.view(np.int8)
    if values.ndim > 2 or values.dtype == np.uint8:
        return values
    if kind == UNSIGNED and values.dtype == np.int32:
        values = values.view(np.uint32)
    if tags.get(PHOTOMETRIC) != WHITE_IS_ZERO:
        return values
    return -values if values.dtype.kind == "f" else (2 ** tags[BITS][0] - 1) - values


def _as_gray(pages: list[np.ndarray]) -> list[np.ndarray]:
    """Gray that is stored as RGB, as many programs write it, as gray: a third of the memory, and less time for every step.

    All pages or none of them, so that they stay alike.
    """
    if all(page.ndim == 3 and page.shape[2] == 3 and _channels_are_equal(page) for page in pages):
        return [np.ascontiguousarray(page[..., 0]) for page in pages]
    return pages


def _channels_are_equal(page: np.ndarray) -> bool:
    first, second, third = np.moveaxis(page, 2, 0)
    return np.array_equal(first, second) and np.array_equal(first, third)


def _has_a_directory(data: bytes) -> bool:
    """Does a TIFF say how large its first page is, in a directory that is there with all its values?"""
    order = "<" if data.startswith(b"II") else ">"
    start, offset, number, entry = (8, "Q", "Q", "HHQQ") if data[2] == BIG_TIFF else (4, "L", "H", "HHLL")
    try:
        (place,) = struct.unpack_from(order + offset, data, start)
        (count,) = struct.unpack_from(order + number, data, place)
        place += struct.calcsize(order + number)
        end = place + count * struct.calcsize(order + entry)
        struct.unpack_from(order + offset, data, end)  # of the next page's
    except (struct.error, OverflowError):
        return False
    tags = set()
    for tag, kind, values, where in struct.iter_unpack(order + entry, memoryview(data)[place:end]):
        size = values * VALUE_BYTES.get(kind, 0)
        if size > struct.calcsize(order + offset) and where + size > len(data):
            return False
        if size:
            tags.add(tag)
    return {WIDTH, BITS} <= tags
