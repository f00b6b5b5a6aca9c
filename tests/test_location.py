"""Where an outline lies: in the picture always, on a side of the patient when the file tells."""

import numpy as np
import pytest

from fakes import ok
from model.location import Location, locate, pixel_mm2

SIZE = 30
STEPS = ("left", "center", "right"), ("upper", "middle", "lower")


def prediction(*places: tuple[int, int, int]):
    """With square regions at (row, column), of a side."""
    found = ok()(np.zeros((SIZE, SIZE)))
    for row, column, side in places:
        found.mask[row : row + side, column : column + side] = True
    return found


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_place_in_the_picture(row, column):
    found = locate(prediction((3 + 10 * row, 3 + 10 * column, 4)))
    assert found == Location(1, STEPS[0][column], STEPS[1][row], None)


def test_nothing_is_nowhere():
    assert locate(prediction()) is None


def test_the_largest_region_counts():
    assert locate(prediction((2, 2, 4), (20, 20, 7))) == Location(2, "right", "lower")


def test_place_is_that_in_the_head_not_in_the_margins():
    from dataclasses import replace

    from model.preprocessing import Frame

    found = prediction((5, 5, 4))
    assert locate(found).horizontal == "left"
    assert locate(replace(found, frame=Frame(SIZE, SIZE, (0, 0, 9, 9)))).horizontal == "right"


def axial(right_is_left: bool) -> np.ndarray:
    """Rows to the back, columns to the patient's left (as radiologists look) or right, slices to the top."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 5, -2, -1.5 if right_is_left else 1.5, 1
    return affine


@pytest.mark.parametrize(("column", "radiological", "neurological"), [(2, "right", "left"), (24, "left", "right")])
def test_side_of_the_patient(column, radiological, neurological):
    found = prediction((10, column, 4))
    assert locate(found, axial(True)).side == radiological
    assert locate(found, axial(False)).side == neurological


def test_the_middle_is_on_neither_side():
    assert locate(prediction((10, 13, 4)), axial(True)).side == "midline"


def test_a_sagittal_slice_does_not_tell():
    affine = np.zeros((4, 4))
    affine[0, 0], affine[2, 1], affine[1, 2], affine[3, 3] = 5, -1, -1, 1
    assert locate(prediction((10, 2, 4)), affine).side is None


def test_area_of_a_pixel():
    assert pixel_mm2(axial(True)) == pytest.approx(3.0)
