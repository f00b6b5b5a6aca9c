"""Imitate skull stripping, which research scans often come with: network and gate must know such slices too."""

import numpy as np
from scipy import ndimage

from model.preprocessing import preprocess

HEAD_LEVEL = 0.08  # of the window; what is darker is air
DEPTHS = (0.18, 0.35)  # of the head's inner radius; scalp and skull lie within


def head_of(image: np.ndarray) -> np.ndarray:
    """The head in a preprocessed slice, float (s, s) in [0, 1], without holes: bool (s, s)."""
    return ndimage.binary_fill_holes(ndimage.binary_opening(image > HEAD_LEVEL, np.ones((3, 3), bool)))


def strip_skull(image: np.ndarray, depth: float, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Blank the outer shell of the head and preprocess what is left anew.

    A distance from the head's edge stands in for a real segmentation of the brain: it is crude below the skull base.

    Args:
        image: float (s, s) in [0, 1], a preprocessed slice.
        depth: of the shell, as a share of the largest distance from the edge, in [0, 1).
        mask: float (s, s) in [0, 1], the tumor in that slice, or None.

    Returns:
        The slice, float32 (s, s) in [0, 1], and what is left of the tumor in it (None for none given).
    """
    distance = ndimage.distance_transform_edt(head_of(image))
    inside = distance > depth * distance.max()
    stripped, frame = preprocess((image * inside).astype(np.float32), len(image))
    return stripped, None if mask is None else frame.from_input(mask * inside, len(image))
