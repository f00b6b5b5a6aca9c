import numpy as np
import pytest

from model.training.contrast import recontrast
from model.training.grafting import AIR

SIDE = 96


@pytest.fixture
def head():
    """A T1-weighted head, schematically: (tones, where), with dark fluid, gray and white matter and a bright tumor."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    radius = np.hypot(rows - 48, columns - 48)
    where = {
        "air": radius > 45,
        "bone": (radius <= 45) & (radius > 42),
        "gray": (radius <= 42) & (radius > 36),
        "white": radius <= 36,
        "fluid": (abs(rows - 48) < 17) & (abs(columns - 48) < 17),
        "tumor": (abs(rows - 48) < 8) & (abs(columns - 76) < 6),
    }
    tones = np.zeros((SIDE, SIDE), np.uint8)
    for tissue, tone in (("bone", 12), ("gray", 100), ("white", 130), ("fluid", 45), ("tumor", 230)):
        tones[where[tissue]] = tone
    return tones, where


def middle(image: np.ndarray, where: np.ndarray) -> float:
    return float(np.median(image[where]))


@pytest.mark.parametrize("seed", range(20))
def test_fluid_turns_bright_and_white_matter_dark_as_in_t2(head, seed):
    tones, where = head
    made = recontrast(tones, np.random.default_rng(seed))
    assert made.dtype == np.uint8
    assert made.shape == tones.shape
    assert middle(made, where["fluid"]) > middle(made, where["gray"]) > middle(made, where["white"])
    assert middle(made, where["tumor"]) > middle(made, where["white"]) + 10
    assert middle(made, where["fluid"]) > middle(tones, where["fluid"]) + 40
    assert middle(made, where["white"]) < middle(tones, where["white"]) - 20


def test_air_and_bone_stay_dark(head):
    tones, where = head
    for seed in range(20):
        made = recontrast(tones, np.random.default_rng(seed))
        assert made[where["air"] & (np.hypot(*(np.mgrid[:SIDE, :SIDE] - 48)) > 48)].max() == 0
        assert middle(made, where["bone"]) <= 12


def test_the_curve_is_drawn(head):
    tones, _ = head
    first, again, other = (recontrast(tones, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).max() > 20


@pytest.mark.parametrize("tone", (0, AIR))
def test_a_slice_without_tissue_stays_as_it_is(tone, rng):
    empty = np.full((SIDE, SIDE), tone, np.uint8)
    assert np.array_equal(recontrast(empty, rng), empty)


@pytest.mark.parametrize("tone", (AIR + 1, 128, 255))
def test_a_slice_of_one_tone_stays_of_one(tone, rng):
    even = recontrast(np.full((SIDE, SIDE), tone, np.uint8), rng)
    assert len(np.unique(even)) == 1
