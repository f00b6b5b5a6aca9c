import numpy as np
import pytest
from scipy import ndimage

from model.training.grafting import AIR, GROWTH, LARGEST, graft, grow, restyle

SIDE = 96


@pytest.fixture
def host(rng):
    """A gray disc with some texture on black."""
    disc = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 47.5)) < 44
    return np.where(disc, 90 + rng.normal(0, 6, (SIDE, SIDE)), 0).astype(np.uint8)


@pytest.fixture
def donor(rng):
    """Another, darker disc with a bright square in it."""
    disc = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 47.5)) < 44
    image = np.where(disc, 50 + rng.normal(0, 6, (SIDE, SIDE)), 0)
    image[42:54, 30:42] += 60
    return image.astype(np.uint8)


@pytest.fixture
def region():
    square = np.zeros((SIDE, SIDE), bool)
    square[42:54, 30:42] = True
    return square


def test_the_tumor_arrives_with_the_contrast_it_had(host, donor, region, rng):
    before = host.copy(), donor.copy(), region.copy()
    made, placed = graft(host, donor, region, rng, move=False)
    assert made.dtype == np.uint8 and placed.dtype == bool
    assert np.array_equal(placed, region)
    inner = made[45:51, 33:39].mean()
    assert inner == pytest.approx(90 + 60, abs=12)  # as much above its surroundings as it was
    far = np.ones((SIDE, SIDE), bool)
    far[32:64, 20:52] = False
    assert np.array_equal(made[far], host[far])
    for now, then in zip((host, donor, region), before, strict=True):
        assert np.array_equal(now, then)


def test_the_seam_is_soft(host, donor, region, rng):
    made, _ = graft(host, donor, region, rng, move=False)
    steps = np.abs(np.diff(made[42:54].astype(float).mean(axis=0)))
    assert steps[20:28].max() < 12  # before the square: from one disc's tone to the other's, 40 lower, without a step


def test_it_moves_and_stays_on_tissue(host, donor, region, rng):
    places = set()
    for _ in range(30):
        made = graft(host, donor, region, rng)
        if made:
            assert made[1].sum() == region.sum()
            assert (host[made[1]] > AIR).mean() >= 0.85
            places.add(tuple(np.argwhere(made[1])[0]))
    assert len(places) > 15


def test_nothing_is_grafted_into_air_or_from_nothing(host, donor, region, rng):
    assert graft(np.zeros_like(host), donor, region, rng) is None
    assert graft(host, donor, np.zeros_like(region), rng) is None
    half = host.copy()
    half[:, :48] = 0
    assert graft(half, donor, region, rng, move=False) is None


def test_restyle_takes_on_the_tones_and_leaves_air(host, donor):
    same = restyle(host, donor, 0.0)
    assert np.array_equal(same, host)
    whole = restyle(host, donor, 1.0)
    assert whole.dtype == np.uint8
    assert np.array_equal(whole == 0, host == 0)
    assert np.median(whole[whole > AIR]) == pytest.approx(np.median(donor[donor > AIR]), abs=2)
    half = restyle(host, donor, 0.5)
    assert np.median(half[half > AIR]) == pytest.approx((90 + np.median(donor[donor > AIR])) / 2, abs=3)
    order = np.argsort(host[host > AIR], kind="stable")
    assert (np.diff(whole[host > AIR][order].astype(int)) >= 0).all()  # what was brighter stays brighter


def test_restyle_without_tissue_changes_nothing(host):
    assert np.array_equal(restyle(host, np.zeros_like(host), 1.0), host)
    assert not restyle(np.zeros_like(host), host, 1.0).any()


def test_a_tumor_grows_around_its_center_up_to_its_limits(donor, region, rng):
    before = donor.copy(), region.copy()
    center = np.argwhere(region).mean(axis=0)
    factors = []
    for _ in range(300):
        image, grown = grow(donor, region, rng)
        assert (image.dtype, grown.dtype, image.shape, grown.shape) == (np.uint8, bool, donor.shape, region.shape)
        assert np.argwhere(grown).mean(axis=0) == pytest.approx(center, abs=0.6)
        factors.append(np.sqrt(grown.sum() / region.sum()))
        inside = ndimage.binary_erosion(grown, iterations=2)
        assert image[inside].mean() == pytest.approx(donor[region].mean(), abs=4)  # the tumor itself, not what lay around it
    assert min(factors) < 1.1 and max(factors) == pytest.approx(GROWTH, rel=0.06)
    assert np.median(factors) == pytest.approx(np.sqrt(GROWTH), rel=0.12)  # even in the logarithm
    for now, then in zip((donor, region), before, strict=True):
        assert np.array_equal(now, then)


@pytest.mark.parametrize("side, largest", ((36, LARGEST), (60, 60 * 60 / SIDE**2)))
def test_a_large_tumor_grows_to_a_share_of_the_slice_and_a_larger_one_not_at_all(donor, rng, side, largest):
    region = np.zeros((SIDE, SIDE), bool)
    region[18 : 18 + side, 18 : 18 + side] = True
    sizes = [grow(donor, region, rng)[1].mean() for _ in range(200)]
    assert max(sizes) == pytest.approx(largest, rel=0.08)
    assert min(sizes) == pytest.approx(side * side / SIDE**2, rel=0.05)
