import numpy as np
import pytest
from scipy import ndimage

from model.training.sharpness import LIMIT, amplitudes, refocus
from scripts.compare_sharpness import fine

SIDE = 96


@pytest.fixture
def sharp(rng):
    return np.clip(rng.normal(128, 25, (SIDE, SIDE)), 0, 255).astype(np.uint8)


@pytest.fixture
def blurred(rng):
    """Of the same texture as `sharp` but blurred, another one, and brighter."""
    soft = ndimage.gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), 0.8, mode="wrap")
    return np.round(150 + 25 * soft / soft.std()).clip(0, 255).astype(np.uint8)


def bands_of(image: np.ndarray) -> np.ndarray:
    """The mean amplitude in eight bands of frequencies, over that of all of them."""
    amplitude = np.abs(np.fft.fft2(image.astype(float)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    bands = [amplitude[(frequency > low) & (frequency <= low + 0.06)].mean() for low in np.arange(0.01, 0.45, 0.06)]
    return np.array(bands) / np.mean(bands)


def test_refocus_takes_on_the_sharpness_and_neither_the_brightness_nor_the_picture(sharp, blurred):
    assert np.array_equal(refocus(sharp, blurred, 0.0), sharp)
    for image, reference in ((sharp, blurred), (blurred, sharp)):
        made = refocus(image, reference, 1.0)
        assert made.dtype == np.uint8
        assert bands_of(made) == pytest.approx(bands_of(reference), rel=0.12)
        assert np.abs(bands_of(image) / bands_of(reference) - 1.0).max() > 0.4  # or there was nothing to take on
        assert made.mean() == pytest.approx(image.mean(), abs=0.5)
        assert np.corrcoef(made.ravel(), image.ravel())[0, 1] > 0.7
        assert abs(np.corrcoef(made.ravel(), reference.ravel())[0, 1]) < 0.05
    half = bands_of(refocus(sharp, blurred, 0.5))
    assert half[-1] == pytest.approx(np.sqrt(bands_of(sharp)[-1] * bands_of(blurred)[-1]), rel=0.15)


def test_refocus_raises_no_frequency_without_limit(blurred):
    wave = np.round(128 + 60 * np.sin(2 * np.pi * 40 * np.arange(SIDE) / SIDE))[:, None].repeat(SIDE, 1).astype(np.uint8)
    before, after = (np.abs(np.fft.fft2(image.astype(float)))[40, 0] for image in (blurred, refocus(blurred, wave, 1.0)))
    assert 1.5 < after / before <= LIMIT * 1.02


@pytest.mark.parametrize("tone", (0, 90))
def test_refocus_of_an_even_slice_and_after_one_changes_little(sharp, tone):
    even = np.full_like(sharp, tone)
    assert np.array_equal(refocus(even, sharp, 1.0), even)
    assert refocus(sharp, even, 1.0).mean() == pytest.approx(sharp.mean(), abs=1.0)


def test_amplitudes_are_told_by_how_often_a_wave_repeats():
    wave = np.round(128 + 60 * np.sin(2 * np.pi * 12 * np.arange(SIDE) / SIDE))[None].repeat(SIDE, 0).astype(np.uint8)
    sums = amplitudes(wave)
    assert sums.argsort()[-2:].tolist() == [12, 0]
    assert sums[12] == pytest.approx(60 * SIDE**2 / 2, rel=0.02)
    assert sums[0] == pytest.approx(128 * SIDE**2, rel=0.01)


def test_the_finest_detail_is_what_repeats_within_two_and_a_half_pixels(sharp, blurred):
    assert fine(blurred) < fine(sharp) < 1.0
    for repeats, expected in ((40, 1.0), (36, 0.0)):  # 2.4 pixels, and 2.7
        wave = np.round(128 + 100 * np.sin(2 * np.pi * repeats * np.arange(SIDE) / SIDE))[None].repeat(SIDE, 0)
        assert fine(wave.astype(np.uint8)) == pytest.approx(expected, abs=0.05)
    assert fine(np.zeros((SIDE, SIDE), np.uint8)) == 0.0
