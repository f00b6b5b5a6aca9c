"""The looks at the pixels that need no network, and the fitted score."""

import numpy as np
import pytest

from model.gate import MAX_ASPECT, MIN_SIDE, Gate, look, squared_distance

BLANK = "The image is blank: it shows next to no contrast."


def noise(height=64, width=64, channels=None, low=0, high=256, dtype=np.uint8):
    shape = (height, width) if channels is None else (height, width, channels)
    return np.random.default_rng(5).integers(low, high, shape).astype(dtype)


def gray_rgb(alpha=None):
    channels = [noise()] * 3
    return np.dstack(channels if alpha is None else [*channels, np.full((64, 64), alpha, np.uint8)])


def colored(share):
    """A gray picture in RGB, `share` of whose rows are red."""
    pixels = gray_rgb()
    pixels[: round(64 * share)] = (200, 30, 30)
    return pixels


def test_the_limits_are_those_the_messages_name():
    assert (MIN_SIDE, MAX_ASPECT) == (48, 4.0)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(noise(), id="gray"),
        pytest.param(noise(48, 48), id="smallest"),
        pytest.param(noise(48, 192), id="widest"),
        pytest.param(noise(192, 48), id="tallest"),
        pytest.param(gray_rgb(), id="rgb without color"),
        pytest.param(gray_rgb(alpha=255), id="rgba without color"),
        pytest.param(np.dstack([noise(), np.full((64, 64), 255, np.uint8)]), id="gray and alpha"),
        pytest.param(noise(high=4096, dtype=np.uint16), id="12 bit in 16"),
        pytest.param(noise(low=-1000, high=3000, dtype=np.int16), id="negative"),
        pytest.param(noise(dtype=np.float32) / 255, id="float 0..1"),
        pytest.param(noise(low=100, high=110), id="faint, ten levels"),
        pytest.param(colored(0.19), id="colored marks"),
    ],
)
def test_a_slice_may_pass(pixels):
    assert look(pixels) is None


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        pytest.param(
            noise(47, 300),
            "The image is too small: expected at least 48 x 48 pixels, received 300 x 47.",
            id="low",
        ),
        pytest.param(
            noise(300, 47, 3),
            "The image is too small: expected at least 48 x 48 pixels, received 47 x 300.",
            id="narrow",
        ),
        pytest.param(noise(1, 1), "The image is too small: expected at least 48 x 48 pixels, received 1 x 1.", id="one pixel"),
        pytest.param(
            noise(50, 201),
            "The image is a strip: expected sides within 1 to 4, received 201 x 50 pixels.",
            id="wide strip",
        ),
        pytest.param(
            noise(201, 50),
            "The image is a strip: expected sides within 1 to 4, received 50 x 201 pixels.",
            id="tall strip",
        ),
        pytest.param(np.zeros((64, 64), np.uint8), BLANK, id="black"),
        pytest.param(np.full((64, 64), 255, np.uint8), BLANK, id="white"),
        pytest.param(noise(low=100, high=103), BLANK, id="three levels"),
        pytest.param(np.full((64, 64), 900, np.uint16), BLANK, id="16 bit constant"),
        pytest.param(np.full((64, 64), 0.5, np.float32), BLANK, id="float constant"),
        pytest.param(np.dstack([np.full((64, 64), 80, np.uint8)] * 3), BLANK, id="gray in rgb"),
        pytest.param(colored(0.25), "The image is in color (25% of its pixels); an MRI slice is gray.", id="quarter"),
        pytest.param(
            np.full((64, 64, 3), (200, 30, 30), np.uint8),
            "The image is in color (100% of its pixels); an MRI slice is gray.",
            id="red",
        ),
        pytest.param(
            np.dstack([colored(0.5), np.full((64, 64), 255, np.uint8)]),
            "The image is in color (50% of its pixels); an MRI slice is gray.",
            id="rgba",
        ),
        pytest.param(
            colored(0.5).astype(np.uint16) * 257,
            "The image is in color (50% of its pixels); an MRI slice is gray.",
            id="16 bit",
        ),
    ],
)
def test_what_cannot_be_a_slice_is_told(pixels, reason):
    assert look(pixels) == reason


# Neither the alpha channel nor what it hides is contrast.
@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.dstack([np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8)]), id="opaque black"),
        pytest.param(np.dstack([np.full((64, 64), 90, np.uint8), np.full((64, 64), 255, np.uint8)]), id="opaque gray"),
        pytest.param(np.dstack([noise(), np.zeros((64, 64), np.uint8)]), id="gray, wholly transparent"),
        pytest.param(gray_rgb(alpha=0), id="rgb, wholly transparent"),
    ],
)
def test_a_blank_image_with_alpha_is_blank(pixels):
    assert look(pixels) == BLANK


def test_color_counts_where_it_is_shown():
    """Some programs leave colors where nothing is to be seen."""
    hidden, half = np.full((64, 64), 255, np.uint8), colored(0.5)
    hidden[:32] = 0
    assert look(np.dstack([half, hidden])) is None
    hidden[16:] = 255
    assert look(np.dstack([half, hidden])) == "The image is in color (25% of its pixels); an MRI slice is gray."


# One hot pixel must not set the range that the contrast of a wide type is measured against.
def test_a_hot_pixel_does_not_make_a_16_bit_slice_blank():
    pixels = noise(high=800, dtype=np.uint16)
    pixels[0, 0] = 65535
    assert look(pixels) is None


def test_looking_changes_nothing():
    pixels = colored(0.5)
    before = pixels.copy()
    pixels.setflags(write=False)
    look(pixels)
    np.testing.assert_array_equal(pixels, before)


def test_squared_distance_is_the_mean_square():
    distances = squared_distance(np.array([[0, 0], [1, 1], [3, 4], [-3, 4]], np.float16))
    assert distances.dtype == np.float64
    np.testing.assert_allclose(distances, [0, 1, 12.5, 12.5])


@pytest.mark.parametrize(
    ("distance", "score"), [(0.0, 1.0), (1.0, 8 / 9), (2.0, 0.5), (4.0, 1 / 9), (20.0, 1 / 1001), (2e6, 1e-18)]
)
def test_in_distribution_falls_with_the_distance(distance, score):
    features = np.full((1, 5), np.sqrt(distance))
    gate = Gate(threshold=2.0, sharpness=3.0, others={})
    np.testing.assert_allclose(gate.in_distribution(features), [score], rtol=1e-6)


@pytest.mark.parametrize(("doubtful", "score"), [(1.0, 8 / 9), (2.0, 0.5), (float("inf"), 0.0)])
def test_what_is_doubtful_is_told_as_a_score_too(doubtful, score):
    assert Gate(threshold=2.0, sharpness=3.0, others={}, doubtful=doubtful).doubtful_below == pytest.approx(score)


def test_in_distribution_is_given_for_each_row_between_0_and_1():
    features = np.random.default_rng(0).normal(0, 3, (50, 16))
    scores = Gate(2.0, 4.0, {}).in_distribution(features)
    assert scores.shape == (50,)
    assert ((scores > 0) & (scores < 1)).all()
    order = np.argsort(squared_distance(features))
    assert (np.diff(scores[order]) <= 0).all()
    np.testing.assert_array_equal(scores > 0.5, squared_distance(features) < 2.0)


def test_a_slice_looks_like_what_it_is_above_the_threshold_of():
    gate = Gate(threshold=2.0, sharpness=3.0, others={"several": 1.0, "ct": -2.0, "body": 0.0})
    odds = np.array([[-9, -9, -9], [-2.1, -0.1, 0.9], [-1.9, -0.1, 0.9], [4, 0.1, 0.9], [-3, 0.1, 1.1]], np.float32)
    assert gate.looks_like(odds) == [set(), set(), {"ct"}, {"ct"}, {"body", "several"}]  # a head in CT is no body
