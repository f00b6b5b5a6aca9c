"""Head CT in imitation, made of slices of MRI."""

import numpy as np
import pytest
from scipy import ndimage

from model.training.imitated_ct import imitate_ct, imitations

SIDE = 96


@pytest.fixture(scope="module")
def head():
    """An oval head with tissue of all tones and a dark fluid in the middle."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    inside = (rows / 42) ** 2 + (columns / 34) ** 2 < 1
    tones = 90 + 60 * ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(SIDE, SIDE)), 3) / 0.1
    tones[(rows / 6) ** 2 + (columns / 8) ** 2 < 1] = 25
    return np.where(inside, np.clip(tones, 25, 200), 0).astype(np.uint8), inside


def made(image, count=60):
    rng = np.random.default_rng(7)
    return [imitate_ct(image, rng) for _ in range(count)]


def test_an_imitation_has_a_skull_as_white_as_can_be_around_a_gray_brain_with_dark_fluid(head):
    image, inside = head
    depth = ndimage.distance_transform_edt(inside) / ndimage.distance_transform_edt(inside).max()
    fluid = np.hypot(*(np.mgrid[:SIDE, :SIDE] - SIDE / 2)) < 4
    for imitation in made(image):
        assert imitation.dtype == np.uint8 and imitation.shape == image.shape
        assert imitation[~ndimage.binary_dilation(inside, iterations=4)].max() == 0  # air
        bone = imitation > 200
        assert 0.02 < bone[inside].mean() < 0.6
        assert np.median(depth[bone & inside]) < 0.35  # at the rim
        brain = imitation[(depth > 0.45) & ~fluid].astype(float)
        assert 40 < np.median(brain) < 190
        assert np.median(imitation[fluid]) < np.median(brain)


def test_they_differ_and_the_slice_stays_as_it_was(head):
    image, _ = head
    before = image.copy()
    brains = [np.median(imitation[20:40, 40:56]) for imitation in made(image)]
    assert np.ptp(brains) > 60
    assert np.array_equal(image, before)


def test_what_shows_too_little_of_a_head_is_left_out_and_the_same_slices_give_the_same(head):
    image, _ = head
    small = np.zeros_like(image)
    small[40:50, 40:50] = 200
    assert imitate_ct(small, np.random.default_rng(0)) is None
    assert imitate_ct(np.zeros_like(image), np.random.default_rng(0)) is None
    two = imitations(np.stack([image, small, np.zeros_like(image), image]))
    assert two.shape == (2, SIDE, SIDE) and not np.array_equal(two[0], two[1])
    assert np.array_equal(two, imitations(np.stack([image, small, np.zeros_like(image), image])))
    with pytest.raises(ValueError):
        imitations(small[None])
