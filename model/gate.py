"""Is this a brain MRI slice at all? Cheap looks at the pixels first, then the network's own features: how far they lie from
those of training, and whether they are rather those of something that is easily confused with it.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from model.preprocessing import percentiles

OTHERS = ("ct", "body", "several")  # a head in CT, another part of the body, several slices in one picture
MIN_SIDE = 48
MAX_ASPECT = 4.0
COLORED = 0.12  # spread between a pixel's channels, of the full range, above which it counts as colored
MAX_COLORED_SHARE = 0.20  # burnt-in colored marks are fine, a colored picture is not
MIN_CONTRAST = 4.0 / 255.0  # between the 1st and 99th percentile, of the type's full range


@dataclass(frozen=True)
class Gate:
    """The fitted part of the gate, from `model.json`.

    Attributes:
        threshold: squared distance above which a slice is refused.
        sharpness: how fast `in_distribution` falls around the threshold.
        others: for each of OTHERS, the log-odds above which a slice is taken for it.
        doubtful: squared distance above which an answer is uncertain: nearly all slices that are known lie nearer.
    """

    threshold: float
    sharpness: float
    others: Mapping[str, float]
    doubtful: float = math.inf

    @property
    def doubtful_below(self) -> float:
        """The `in_distribution` below which an answer is uncertain, in [0, 1)."""
        return self._score(self.doubtful)

    def in_distribution(self, whitened: np.ndarray) -> np.ndarray:
        """Score of (n, d) whitened features: float64 (n,) in (0, 1); 0.5 at the threshold, higher is more familiar.

        The squared norm of whitened features is the squared Mahalanobis distance to the training slices (Lee et al.,
        arXiv:1807.03888).
        """
        return self._score(squared_distance(whitened))

    def _score(self, distance):
        return 1 / (1 + (distance / self.threshold) ** self.sharpness)

    def looks_like(self, odds: np.ndarray) -> list[set[str]]:
        """What each of n slices looks like, of its log-odds, (n, len(OTHERS)).

        A head in CT is no body, though its white bone makes it look like one: it is answered, with a warning.
        """
        found = [{name for name, value in zip(OTHERS, row, strict=True) if value > self.others[name]} for row in odds]
        return [looks - {"body"} if "ct" in looks else looks for looks in found]


def squared_distance(whitened: np.ndarray) -> np.ndarray:
    """Mean square of the whitened features, (n, d) -> float64 (n,); about 1 for a slice like those of training."""
    return np.mean(np.square(np.asarray(whitened, np.float64)), axis=1)


def look(pixels: np.ndarray) -> str | None:
    """Why these pixels cannot be a brain MRI slice, told without a network; None when they may be one."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        return f"The image is too small: expected at least {MIN_SIDE} x {MIN_SIDE} pixels, received {width} x {height}."
    if max(height, width) > MAX_ASPECT * min(height, width):
        return f"The image is a strip: expected sides within 1 to {MAX_ASPECT:.0f}, received {width} x {height} pixels."
    shown = _shown(pixels)
    full = 255.0 if pixels.dtype == np.uint8 else _spread(pixels, 0, 99.9)
    if full == 0 or _spread(shown, 1, 99) < MIN_CONTRAST * full:
        return "The image is blank: it shows next to no contrast."
    if shown.ndim == 3 and shown.shape[2] == 3:
        first, *others = np.moveaxis(shown, 2, 0)
        most, least = (functools.reduce(choose, others, first) for choose in (np.maximum, np.minimum))
        spread = (most.astype(np.float32) - least) / full
        share = float((spread > COLORED).mean())
        if share > MAX_COLORED_SHARE:
            return f"The image is in color ({share:.0%} of its pixels); an MRI slice is gray."
    return None


def _shown(pixels: np.ndarray) -> np.ndarray:
    """Without alpha, and black where alpha hides it."""
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    return np.where(pixels[..., -1:] > 0, pixels[..., :-1], 0)


def _spread(pixels: np.ndarray, low: float, high: float) -> float:
    step = max(1, max(pixels.shape[:2]) // 512)  # a large image's percentiles do not need every pixel
    values = pixels[::step, ::step]
    a, b = percentiles(values, (low, high)) if values.dtype == np.uint8 else np.nanpercentile(values, (low, high))
    return float(b - a)
