"""Several slices in one picture."""

import numpy as np
from scipy import ndimage

from model.training import imitated_several
from model.training.imitated_several import BLACK, imitations, several

SIDE = 96


def disk(radius: int, tone: int) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return np.where(rows**2 + columns**2 < radius**2, tone, 0).astype(np.uint8)


DISKS = np.stack([disk(radius, tone) for radius, tone in ((44, 120), (40, 160), (36, 200))])


def test_each_picture_shows_two_to_four_heads_smaller_than_they_were(monkeypatch):
    monkeypatch.setattr(imitated_several, "WHITE_SHARE", 0.0)  # heads are counted by their being brighter
    rng = np.random.default_rng(1)
    counts = []
    for _ in range(80):
        picture = several(DISKS, rng)
        assert picture.dtype == np.uint8 and picture.shape == (SIDE, SIDE)
        dark = ndimage.binary_opening(picture > BLACK, iterations=3)  # neighbors may touch
        distance = ndimage.distance_transform_edt(dark)
        count = ndimage.label(distance > 0.75 * distance.max())[1]
        counts.append(count)
        assert distance.max() < 0.31 * SIDE  # half of the side at most
    assert set(counts) >= {2, 3, 4} and np.mean(np.array(counts) == 2) > 0.4


def test_the_same_slices_give_the_same_pictures_and_stay_as_they_were():
    before = DISKS.copy()
    made = imitations(DISKS, 6)
    assert made.shape == (6, SIDE, SIDE) and np.array_equal(made, imitations(DISKS, 6))
    assert len({picture.tobytes() for picture in made}) == 6
    assert np.array_equal(DISKS, before)


def test_an_empty_slice_does_no_harm():
    assert several(np.zeros((2, SIDE, SIDE), np.uint8), np.random.default_rng(0)).shape == (SIDE, SIDE)
