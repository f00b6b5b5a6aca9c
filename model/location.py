"""Where in the picture, and on which side of the patient, a tumor's outline lies."""

from dataclasses import dataclass

import cc3d
import numpy as np

from model.explanation import region
from model.prediction import Prediction

MIDDLE = (0.4, 0.6)  # of the head's width or height in the picture; what lies between is neither left nor right
MIDLINE = 0.1  # of half the head's width; an outline whose center is nearer to the middle is on neither side
ACROSS = 0.5  # of a pixel's size; a slice that goes from right to left by less (a sagittal one) shows one side only


@dataclass(frozen=True)
class Location:
    """
    Attributes:
        regions: how many there are that do not touch; the rest is about the largest of them.
        horizontal: "left", "center" or "right", as the picture is looked at.
        vertical: "upper", "middle" or "lower", likewise.
        side: "left", "right" or "midline" of the patient; None where the file does not tell.
    """

    regions: int
    horizontal: str
    vertical: str
    side: str | None = None


def locate(prediction: Prediction, affine: np.ndarray | None = None) -> Location | None:
    """Where the center of the largest outlined region lies in the head as the slice shows it; None when nothing is outlined.

    Args:
        affine: float (4, 4), from (slice, row, column) to mm to the patient's right, front and top (RAS), if it is known.
    """
    outlined = region(prediction.mask)
    if outlined is None:
        return None
    left, top, *_ = outlined.box
    labels, regions = cc3d.connected_components(prediction.mask[outlined.part], connectivity=4, return_N=True)
    largest = 1 + np.bincount(labels.ravel())[1:].argmax()
    rows, columns = np.nonzero(labels == largest)
    x0, y0, x1, y1 = prediction.frame.box
    width, height = x1 - x0, y1 - y0
    x, y = (left + columns.mean() + 0.5 - x0) / width, (top + rows.mean() + 0.5 - y0) / height
    return Location(
        regions,
        _third(x, ("left", "center", "right")),
        _third(y, ("upper", "middle", "lower")),
        None if affine is None else _side((y - 0.5) * height, (x - 0.5) * width, height, width, affine),
    )


def pixel_mm2(affine: np.ndarray) -> float:
    """The area of one pixel in mm²; `affine` as in `locate`."""
    return float(np.linalg.norm(np.cross(affine[:3, 1], affine[:3, 2])))


def _third(part: float, names: tuple[str, str, str]) -> str:
    return names[0] if part < MIDDLE[0] else names[2] if part > MIDDLE[1] else names[1]


def _side(row: float, column: float, height: float, width: float, affine: np.ndarray) -> str | None:
    """The patient's side at an offset from the head's center, in pixels."""
    by_row, by_column = affine[0, 1], affine[0, 2]  # mm to the right
    if np.hypot(by_row, by_column) < ACROSS * np.sqrt(pixel_mm2(affine)):
        return None
    right = (by_row * row + by_column * column) / ((abs(by_row) * height + abs(by_column) * width) / 2)
    return "midline" if abs(right) < MIDLINE else "right" if right > 0 else "left"
