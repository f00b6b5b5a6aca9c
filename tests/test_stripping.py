import numpy as np
import pytest

from model.training.stripping import strip_skull


@pytest.fixture
def image():
    """A bright shell (scalp) around a gray disc (brain) on black."""
    y, x = np.mgrid[:96, :96] - 47.5
    radius = np.hypot(x, y)
    return np.where(radius < 34, 0.4, np.where(radius < 44, 1.0, 0.0)) + 0.1 * (np.abs(x) < 8) * (radius < 34)


def test_the_shell_goes_and_the_brain_fills_the_view(image):
    before = image.copy()
    stripped, mask = strip_skull(image, 0.25)
    assert mask is None
    assert np.array_equal(image, before)
    assert stripped.dtype == np.float32
    assert stripped.shape == (96, 96)
    inside = np.hypot(*(np.mgrid[:96, :96] - 47.5)) < 40
    levels = np.unique(np.round(stripped[inside], 1))
    assert levels.max() == pytest.approx(1.0)  # windowed anew: the brain's brightest, where the scalp had been
    assert stripped[48, 2:94].min() > 0.5  # cropped anew
    assert stripped[0, 0] == 0.0


def test_without_a_shell_to_take_the_scalp_stays(image):
    assert strip_skull(image, 0.0)[0][48, 5] == pytest.approx(1.0, abs=0.05)
    assert strip_skull(image, 0.0)[0][48, 30] == pytest.approx(0.4, abs=0.1)


def test_a_blank_image_stays_blank():
    assert not strip_skull(np.zeros((64, 64)), 0.3)[0].any()


def test_a_tumor_moves_with_the_brain_and_loses_what_lay_in_the_shell(image):
    inner, outer = np.zeros((2, 96, 96), np.float32)
    inner[40:56, 40:56] = 1.0
    outer[44:52, 4:10] = 1.0
    kept = strip_skull(image, 0.25, inner)[1]
    assert kept.dtype == np.float32
    rows = np.flatnonzero(kept[:, 48] > 0.5)
    assert rows.mean() == pytest.approx(47.5, abs=1.0)
    assert len(rows) == pytest.approx(16 * 88 / (0.75 * 88), abs=2)  # enlarged as the brain was
    assert not strip_skull(image, 0.25, outer)[1].any()
