"""The slices that the gate is fitted on: evenly of every source, and copies of them as scans may come from elsewhere.

Without the copies a gate takes skull-stripped scans, series that lie on their side and smoothed or brightened slices for
something else; with as many slices of a source as there are, it knows the large sources only.
"""

import numpy as np
from scipy import ndimage

from model.training.dataset import Item
from model.training.stripping import DEPTHS, strip_skull

SMOOTHING = (0.003, 0.016)  # of the side: the Gaussian's deviation
GAMMA = 0.7  # the tone curve's exponent lies within e to the power of plus or minus this


def evenly(items: list[Item], most: int) -> np.ndarray:
    """Rows of at most so many items: of each source and class as many, or all there are, at even distances."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row, item in enumerate(items):
        groups.setdefault((item.source, item.label), []).append(row)
    each = max(1, most // max(1, len(groups)))
    chosen = [
        np.array(rows)[np.linspace(0, len(rows) - 1, min(each, len(rows))).round().astype(int)] for rows in groups.values()
    ]
    return np.sort(np.concatenate(chosen)) if chosen else np.array([], int)


def with_variants(images: np.ndarray) -> np.ndarray:
    """The images, uint8 (n, s, s), then copies of them: uint8 (about 2.75 n in all, s, s), the same for the same images.

    Every second one with its skull stripped; of these, half once more smoothed and half with other tones; and of the whole
    slices one quarter turned by a right angle, one with other tones and one smoothed.
    """
    rng = np.random.default_rng(0)
    stripped = [strip_skull(image / 255.0, rng.uniform(*DEPTHS))[0] for image in images[::2]]
    whole = images / np.float32(255.0)
    copies = [
        *stripped,
        *(_smoothed(image, rng) for image in stripped[::2]),
        *(_toned(image, rng) for image in stripped[1::2]),
        *(np.rot90(image, rng.integers(1, 4)) for image in whole[1::4]),
        *(_toned(image, rng) for image in whole[2::4]),
        *(_smoothed(image, rng) for image in whole[3::4]),
    ]
    return np.concatenate([images, np.round(255 * np.stack(copies)).astype(np.uint8)])


def _smoothed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return ndimage.gaussian_filter(image, rng.uniform(*SMOOTHING) * len(image))


def _toned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image ** np.exp(rng.uniform(-GAMMA, GAMMA))
