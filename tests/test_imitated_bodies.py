"""Other parts of the body than the brain, drawn with the textures of slices."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from model.training.imitated_bodies import (
    KINDS,
    SCANS,
    Canvas,
    Cavity,
    _arms,
    _ribs,
    _table,
    imitations,
    shapeless,
    spine,
    trunk,
)
from model.training.imitated_ct import coarse
from synthetic import head

SIDE = 96


@pytest.fixture(scope="module")
def images():
    slices = [head(seed, SIDE)[0] for seed in range(6)]
    return np.stack(slices)


def drawn(kind, images, count=12):
    rng = np.random.default_rng(3)
    return [kind(Canvas(images, rng)) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_drawing_is_a_preprocessed_slice_and_no_two_are_alike(images, kind):
    before = images.copy()
    pictures = drawn(kind, images)
    assert {(picture.dtype, picture.shape) for picture in pictures} == {(np.dtype(np.uint8), (SIDE, SIDE))}
    assert all(np.ptp(picture) > 150 for picture in pictures)  # windowed
    assert all(np.abs(a.astype(int) - b).mean() > 10 for a, b in itertools.pairwise(pictures))
    assert np.array_equal(images, before)


def test_a_trunk_is_wider_than_high_and_has_air_around_it(images):
    for picture in drawn(trunk, images):
        pieces, _ = ndimage.label(ndimage.binary_fill_holes(ndimage.gaussian_filter(picture.astype(float), 2) > 12))
        body = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])  # arms and a table may lie beside it
        rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
        assert np.ptp(columns) > 1.05 * np.ptp(rows)
        assert picture[:4, :4].mean() < 60 and picture[-4:, -4:].mean() < 60


def test_a_spine_repeats_its_vertebrae(images):
    """Along the spine the tones go up and down several times; more often than an oval's do."""

    def crossings(picture):
        profiles = ndimage.gaussian_filter(picture.astype(float), 1.5)
        return max(
            (np.diff(np.sign(lines - lines.mean(axis=1, keepdims=True)), axis=1) != 0).sum(axis=1).max()
            for lines in (profiles, profiles.T)
        )

    spines, ovals = ([crossings(p) for p in drawn(kind, images)] for kind in (spine, shapeless))
    assert np.median(spines) > np.median(ovals)


def test_tissues_have_the_tones_of_a_kind_of_scan(images):
    rng = np.random.default_rng(0)
    seen = np.array([Canvas(images, rng).tones for _ in range(400)])
    assert ((seen >= 3) & (seen <= 255)).all()
    nearest = np.abs(np.log(seen[:, None] / np.array(SCANS))).mean(axis=2).argmin(axis=1)
    assert np.bincount(nearest, minlength=len(SCANS)).min() > 60  # each is drawn


def test_the_same_slices_give_the_same_drawings(images):
    made = imitations(images, 10)
    assert made.shape == (10, SIDE, SIDE)
    assert np.array_equal(made, imitations(images, 10))
    assert sum(KINDS.values()) == pytest.approx(1.0)


def test_ribs_lie_in_the_wall_of_a_trunk_and_not_in_its_middle_or_at_the_belly(images):
    canvas = Canvas(images, np.random.default_rng(0))
    inside = Cavity(canvas, 0.9, 0.6, np.ones((SIDE, SIDE), bool))
    _ribs(inside, 0.1, np.ones((SIDE, SIDE), bool))
    drawn = canvas.picture > 0
    distance = np.hypot(canvas.x / 0.9, canvas.y / 0.6)[drawn]
    assert drawn.sum() > 20 and distance.min() > 0.6 and distance.max() < 1.2
    assert not drawn[(np.abs(canvas.x) < 0.2) & (canvas.y < 0)].any()


def test_arms_lie_on_either_side_and_a_table_below(images):
    canvas = Canvas(images, np.random.default_rng(0))
    arms, table = _arms(canvas, 0.7), _table(canvas, 0.5)
    assert arms[canvas.x > 0.7].any() and arms[canvas.x < -0.7].any() and not arms[np.abs(canvas.x) < 0.65].any()
    assert table.any() and not table[canvas.y < 0.2].any()
    assert (canvas.picture[arms | table] > 0).mean() > 0.9


def test_some_pictures_come_of_few_pixels(images):
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 256, (SIDE, SIDE), np.uint8)
    made = [coarse(fine, rng) for _ in range(200)]
    few = [one for one in made if one is not fine]
    assert 40 < len(few) < 80
    assert all(one.shape == fine.shape and one.std() < 0.6 * fine.std() for one in few)
