"""From decoded pixels to what the network sees. Training, evaluation and serving all call `preprocess`.

Steps: gray -> crop the empty margins -> percentile window to [0, 1] -> pad to a square, of millimeters where the pixels are
known to be higher or wider -> antialiased resize.
Change any of them and VERSION must change too: `model.json` names the version its weights were trained with.
"""

from dataclasses import dataclass

import cc3d
import numpy as np
from PIL import Image

VERSION = 1

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, what Pillow's "L" uses
WINDOW_PERCENTILES = (1.0, 99.5)
SEARCH_SIDE = 320  # margins are looked for at this size: the cost is bounded, and boxes are the same at any resolution
FOREGROUND_LEVEL = 0.06  # of the image's range, above or below the border's median
MIN_BOX_FRACTION = 0.15  # of either side; a smaller box is a mistake of the search and the image is kept whole


@dataclass(frozen=True)
class Frame:
    """Where a preprocessed slice came from, so that a map can be laid back over the input.

    Attributes:
        height, width: the input's size in pixels.
        box: the cropped region (x0, y0, x1, y1) in input pixels, half open.
        aspect: how many times as high as wide a pixel is.
    """

    height: int
    width: int
    box: tuple[int, int, int, int]
    aspect: float = 1

    @property
    def side(self) -> float:
        """Of the square that the box is padded to, in widths of an input pixel."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, (y1 - y0) * self.aspect)

    def to_input(self, values: np.ndarray) -> np.ndarray:
        """Lay a square map (n, n) over the input; returns float32 (height, width), 0 outside the cropped box."""
        out = np.zeros((self.height, self.width), np.float32)
        self.crop(out)[:] = self.to_part(values, self)
        return out

    def to_part(self, values: np.ndarray, part: "Frame") -> np.ndarray:
        """The same for a part of the input, whose box lies in this one: float32, of the part's box alone."""
        x0, y0, x1, y1 = self.box
        left, top, right, bottom = part.box
        scale = len(values) / self.side
        x = (self.side - (x1 - x0)) / 2 - x0
        y = (self.side - (y1 - y0) * self.aspect) / 2 - y0 * self.aspect
        box = (x + left, y + top * self.aspect, x + right, y + bottom * self.aspect)
        box = np.clip(np.multiply(box, scale), 0, len(values)).tolist()  # rounding must not lead beyond the map
        size = right - left, bottom - top
        return np.asarray(Image.fromarray(np.asarray(values, np.float32)).resize(size, Image.BILINEAR, box=box))

    def from_input(self, values: np.ndarray, size: int) -> np.ndarray:
        """The inverse of `to_input`: crop, pad and resize a map of the input's size (a mask, say) to (size, size)."""
        return square_resize(self.crop(np.asarray(values, np.float32)), size, self.aspect)

    def crop(self, values: np.ndarray) -> np.ndarray:
        x0, y0, x1, y1 = self.box
        return values[y0:y1, x0:x1]


def preprocess(pixels: np.ndarray, size: int, aspect: float = 1) -> tuple[np.ndarray, Frame]:
    """Prepare one slice for the network.

    Args:
        pixels: (H, W), (H, W, 2) gray and alpha, (H, W, 3) RGB or (H, W, 4) RGBA; any integer or float dtype and range.
        size: the network's input side in pixels.
        aspect: how many times as high as wide a pixel is.

    Returns:
        The image, float32 (size, size) in [0, 1], and the Frame that maps it back to the input. `pixels` is unchanged.

    Raises:
        ValueError: when `pixels` has another shape, has no pixels, or holds no finite value.
    """
    gray = _gray(pixels)
    frame = Frame(*gray.shape, find_box(gray), aspect)
    return np.clip(square_resize(window(frame.crop(gray)), size, aspect), 0.0, 1.0), frame


def preprocess_part(pixels: np.ndarray, frame: Frame, part: Frame, size: int) -> np.ndarray:
    """A part of a slice, windowed as the whole is: float32 (size, size) in [0, 1].

    Args:
        pixels, frame: what `preprocess` was given, and what it returned.
        part: whose box lies in the frame's.
    """
    gray = _gray(pixels)
    return np.clip(square_resize(window(frame.crop(gray), part.crop(gray)), size, part.aspect), 0.0, 1.0)


def windowed(pixels: np.ndarray) -> np.ndarray:
    """A slice as `preprocess` takes it, gray and windowed as a whole: float32 (H, W) in [0, 1]."""
    return window(_gray(pixels))


def in_8_bits(pixels: np.ndarray) -> np.ndarray:
    """The same in 255 steps, rounded down: uint8 (H, W)."""
    gray = _gray(pixels)
    if gray.dtype != np.uint8:
        return (window(gray) * 255).astype(np.uint8)
    steps = window(gray, np.arange(256, dtype=np.uint8)) * 255  # of each level: there are fewer of them than of pixels
    return np.take(steps.astype(np.uint8), gray)


def to_gray(pixels: np.ndarray) -> np.ndarray:
    """Pixels as float32 (H, W). Color becomes luma, alpha is laid over black, what is not finite becomes the minimum."""
    pixels = np.asarray(pixels)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (2, 3, 4)):
        raise ValueError(f"A slice must be (H, W) or (H, W, 2..4). Received: shape {pixels.shape}")
    if pixels.size == 0:
        raise ValueError(f"A slice must have pixels. Received: shape {pixels.shape}")
    alpha = None
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        opaque = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1.0
        alpha = np.nan_to_num(pixels[..., -1].astype(np.float32) / opaque, posinf=1.0)
        pixels = pixels[..., :-1]
    gray = pixels.astype(np.float32)
    if gray.ndim == 3:
        gray = gray[..., 0] if gray.shape[2] == 1 else gray @ LUMA
    finite = np.isfinite(gray)
    if not finite.any():
        raise ValueError("A slice must hold finite values. Received: none")
    if not finite.all():
        gray = np.where(finite, gray, gray[finite].min())
    return gray if alpha is None else gray * alpha


def find_box(gray: np.ndarray) -> tuple[int, int, int, int]:
    """The box (x0, y0, x1, y1) around what is not margin; the whole image when there is no margin to be sure of.

    The margin's level is the border's median, so a white margin is cropped as a black one is. A morphological opening and
    the size of connected components keep thin frames and burnt-in text from holding the box open.
    """
    height, width = gray.shape
    whole = (0, 0, width, height)
    scale = min(1.0, SEARCH_SIDE / max(height, width))
    small_size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(Image.fromarray(gray.astype(np.float32, copy=False)).resize(small_size, Image.BOX))
    low, high = percentiles(small, (0.5, 99.5))
    if high <= low:
        return whole
    margin, behind = np.median(_ring(small, 0, 1)), np.median(_ring(small, 1, 8))
    if abs(margin - behind) > FOREGROUND_LEVEL * (high - low):  # a thin frame on the very edge
        margin = behind
    foreground = np.abs(small - margin) > FOREGROUND_LEVEL * (high - low)
    components, count = cc3d.connected_components(_opened(foreground), connectivity=4, return_N=True)
    if count == 0:
        return whole
    areas = np.bincount(components.ravel())
    areas[0] = 0  # the background is no component
    kept = (areas >= 0.1 * areas.max())[components]
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    x0, x1 = int(columns[0] / scale), min(width, int(np.ceil((columns[-1] + 1) / scale)))
    y0, y1 = int(rows[0] / scale), min(height, int(np.ceil((rows[-1] + 1) / scale)))
    if x1 - x0 < MIN_BOX_FRACTION * width or y1 - y0 < MIN_BOX_FRACTION * height:
        return whole
    return x0, y0, x1, y1


def window(gray: np.ndarray, part: np.ndarray | None = None) -> np.ndarray:
    """Percentile window to [0, 1]; a constant image becomes 0. uint8 is looked up in a table, to the same values.

    Args:
        part: what is returned, in the window of `gray`; None: all of `gray`.
    """
    part = gray if part is None else part
    low, high = percentiles(gray, WINDOW_PERCENTILES)
    if high <= low:
        low, high = float(gray.min()), float(gray.max())
    if high <= low:
        return np.zeros_like(part, np.float32)
    levels = np.arange(256, dtype=np.float32) if gray.dtype == np.uint8 else part
    scaled = levels - low
    scaled /= high - low
    scaled = np.clip(scaled, 0.0, 1.0, out=scaled).astype(np.float32)
    return np.take(scaled, part) if gray.dtype == np.uint8 else scaled


def percentiles(values: np.ndarray, percents: tuple[float, float]) -> np.ndarray:
    """`np.percentile` of finite values, the same to the last bit in less time; of uint8, by counting, in a fraction of it."""
    places = (values.size - 1) * np.true_divide(percents, 100)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, values.size - 1)
    part = places - below
    if values.dtype == np.uint8:
        row = Image.fromarray(np.ascontiguousarray(values).reshape(1, -1))
        ends = np.cumsum(row.histogram())  # how many values are at most 0, 1, ...
        low, high = (np.searchsorted(ends, place, "right") for place in (below, above))
    else:
        ordered = np.partition(values, np.concatenate([below, above]), axis=None)
        low, high = ordered[below], ordered[above]
    return np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part))


def square_resize(values: np.ndarray, size: int, aspect: float) -> np.ndarray:
    """Resize so that the longer side is `size`, with Pillow's area-aware (antialiased) bilinear filter; pad with 0."""
    sides = values.shape[0] * aspect, values.shape[1]
    height, width = (max(1, round(n * size / max(sides))) for n in sides)
    resized = Image.fromarray(np.ascontiguousarray(values)).resize((width, height), Image.BILINEAR)
    top, left = (size - height) // 2, (size - width) // 2
    out = np.zeros((size, size), np.float32)
    out[top : top + height, left : left + width] = np.asarray(resized)
    return out


def _gray(pixels: np.ndarray) -> np.ndarray:
    """The pixels themselves where they are gray and of 8 bits, which take less time to window, else `to_gray` of them."""
    plain = isinstance(pixels, np.ndarray) and pixels.ndim == 2 and pixels.dtype == np.uint8 and pixels.size
    return pixels if plain else to_gray(pixels)


def _opened(mask: np.ndarray) -> np.ndarray:
    """Morphological opening by 3 x 3 pixels, like `ndimage.binary_opening`, in a tenth of its time."""
    return _of_nine(np.logical_or, _of_nine(np.logical_and, mask))


def _of_nine(join: np.ufunc, mask: np.ndarray) -> np.ndarray:
    """Each pixel joined with its eight neighbors; beyond the border nothing is set."""
    padded = np.pad(mask, 1)
    rows = join(join(padded[:-2], padded[1:-1]), padded[2:])
    return join(join(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _ring(values: np.ndarray, first: int, end: int) -> np.ndarray:
    """The values at a distance of `first` to `end` - 1 from the border; all of them in an image too small for that."""
    height, width = values.shape
    chosen = np.zeros(values.shape, bool)
    chosen[first : height - first, first : width - first] = True
    chosen[end : height - end, end : width - end] = False
    return values[chosen] if chosen.any() else values
