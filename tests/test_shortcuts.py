"""What is worked out in a shorter way comes out as in the plain one, to the last bit."""

import base64
import io

import numpy as np
import pytest
from flask_babel import Domain, gettext
from PIL import Image
from scipy import ndimage

from model.explanation import MARGIN, MIN_AREA_FRACTION, _grown, level_of_best_dice, log_odds, tempered, tumor_mask
from model.gate import COLORED, MAX_COLORED_SHARE, look
from model.location import locate
from model.prediction import Prediction
from model.preprocessing import Frame, _opened, in_8_bits, percentiles, preprocess, window, windowed
from uploads import PNG, send
from web.language import LANGUAGES
from web.pictures import FAITHFUL, jpeg_uri

RNG = np.random.default_rng(4)
GRAYS = {
    "noise": RNG.integers(0, 256, (61, 83), np.uint8),
    "few levels": RNG.choice(np.array([0, 0, 0, 7, 200], np.uint8), (64, 50)),
    "dark": (RNG.integers(0, 256, (90, 41)) ** 2 // 2**12).astype(np.uint8),
    "constant": np.full((30, 30), 9, np.uint8),
    "one pixel": np.array([[200]], np.uint8),
    "two pixels": np.array([[3, 200]], np.uint8),
    "a part of another": RNG.integers(0, 256, (80, 80), np.uint8)[3:70:2, 5:60],
}


@pytest.fixture(params=GRAYS, name="gray")
def fixture_gray(request) -> np.ndarray:
    return GRAYS[request.param]


def blobs(seed: int, shape=(70, 90)) -> np.ndarray:
    """Some round regions, as bool."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 4)
    return noise > 1.2 * noise.std()


@pytest.mark.parametrize("percents", [(0, 99.9), (0.5, 99.5), (1, 99), (1.0, 99.5), (50, 100)])
def test_percentiles_of_bytes_are_numpys(gray, percents):
    for values in (gray, gray.astype(np.float32)):
        expected = np.percentile(gray.astype(np.float32), percents)
        received = percentiles(values, percents)
        assert received.dtype == expected.dtype
        assert received.tolist() == expected.tolist()


@pytest.mark.parametrize("percents", [(0, 99.9), (0.5, 99.5), (1, 99), (1.0, 99.5), (50, 100)])
def test_percentiles_of_floats_are_numpys(percents, rng):
    for size in ((1,), (2, 3), (61, 83), (320, 320)):
        for values in (rng.normal(0, 1e4, size).astype(np.float32), rng.integers(-3, 3, size).astype(np.float32)):
            kept = values.copy()
            assert percentiles(values, percents).tolist() == np.percentile(values, percents).tolist()
            assert np.array_equal(values, kept)


def test_window_of_bytes_is_that_of_floats(gray):
    received, expected = window(gray), window(gray.astype(np.float32))
    assert received.dtype == expected.dtype == np.float32
    assert (received == expected).all()
    assert (windowed(gray) == expected).all()


def test_bytes_are_prepared_as_floats_are(gray):
    received, frame = preprocess(gray, 24)
    expected, expected_frame = preprocess(gray.astype(np.float32), 24)
    assert frame == expected_frame
    assert (received == expected).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(40, 57), (3, 3), (1, 5)])
def test_opening_is_scipys(share, shape):
    mask = np.random.default_rng(1).random(shape) < share
    assert (_opened(mask) == ndimage.binary_opening(mask, np.ones((3, 3), bool))).all()


@pytest.mark.parametrize("by", [1, 3])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1])
def test_growing_is_scipys(share, by):
    mask = np.random.default_rng(1).random((40, 57)) < share
    before = mask.copy()
    assert (_grown(mask, by) == ndimage.binary_dilation(mask, iterations=by)).all()
    assert (mask == before).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("tint", [0.0, 0.1, 0.3])
def test_share_of_colored_pixels(dtype, channels, tint):
    rng = np.random.default_rng(2)
    pixels = np.repeat(rng.random((60, 60, 1)), channels, axis=2) + tint * rng.random((60, 60, channels))
    pixels = (pixels / pixels.max() * 255).astype(dtype)
    pixels[..., 3:] = 255
    colors = pixels[..., :3]
    full = 255.0 if dtype == np.uint8 else float(np.subtract(*np.nanpercentile(pixels, (99.9, 0))))
    share = float(((colors.max(axis=2).astype(np.float32) - colors.min(axis=2)) / full > COLORED).mean())
    reason = look(pixels)
    if share > MAX_COLORED_SHARE:
        assert f"({share:.0%} of its pixels)" in reason
    else:
        assert reason is None


@pytest.mark.parametrize("seed", range(6))
def test_specks_are_dropped_as_from_the_whole_slice(seed):
    frame = Frame(120, 100, (10, 20, 90, 110))
    probability = blobs(seed, (48, 48)) * 0.9
    level = level_of_best_dice(tempered(probability, 1.0))
    whole = frame.to_input(log_odds(probability, MARGIN) - log_odds(level, MARGIN)) > 0.0
    components, _ = ndimage.label(whole)
    areas = np.bincount(components.ravel())
    areas[0] = 0
    smallest = max(4.0, MIN_AREA_FRACTION * frame.side**2, 0.05 * areas.max())
    expected = np.isin(components, np.flatnonzero(areas >= smallest))
    assert expected.any()
    assert (tumor_mask(probability, frame) == expected).all()


@pytest.mark.parametrize("seed", range(6))
def test_place_is_that_in_the_whole_slice(seed):
    mask = blobs(seed)
    components, count = ndimage.label(mask)
    largest = 1 + np.bincount(components.ravel())[1:].argmax()
    row, column = ndimage.center_of_mass(components == largest)
    (row, column), (height, width) = (row + 0.5, column + 0.5), mask.shape
    found = locate(Prediction("ok", 0.9, mask, label="glioma", frame=Frame(height, width, (0, 0, width, height))))
    assert found.regions == count > 1
    assert found.horizontal == ("left" if column < 0.4 * width else "right" if column > 0.6 * width else "center")
    assert found.vertical == ("upper" if row < 0.4 * height else "lower" if row > 0.6 * height else "middle")


def test_a_slice_alone_is_shown_within_one_step_of_gray(gray):
    packed = jpeg_uri(Image.fromarray(gray), FAITHFUL).removeprefix("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(packed))) as image:
        assert np.abs(np.asarray(image, int) - gray).max() <= 1


def test_8_bits_of_a_table_are_those_of_every_pixel(gray):
    for pixels in (gray, gray.astype(np.uint16) * 257):
        received, expected = in_8_bits(pixels), (windowed(pixels) * 255).astype(np.uint8)
        assert received.dtype == np.uint8 and np.array_equal(received, expected)


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_found_once_a_request_and_are_the_languages(client, monkeypatch, language):
    asked, plain = [], Domain.get_translations
    monkeypatch.setattr(Domain, "get_translations", lambda self: asked.append(1) or plain(self))
    page = send(client, f"/?lang={language}", ("a.png", PNG)).text
    assert len(asked) < 10  # and not for each of a hundred texts
    with client.application.test_request_context(f"/?lang={language}"):
        assert f">{gettext('Analyze another slice')}</h2>" in page
