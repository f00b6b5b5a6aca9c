import numpy as np
import pytest

from model.training.grafting import AIR, graft, restyle

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
