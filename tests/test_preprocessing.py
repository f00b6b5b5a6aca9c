"""Decoded pixels to the network's view: gray, margins, window, resize."""

import tracemalloc

import numpy as np
import pytest

from model.preprocessing import LUMA, _ring, find_box, preprocess, to_gray, window

BOX = (120, 80, 400, 450)  # where `head` stands in 512 x 512


def head(shape=(512, 512), box=BOX, margin=0.0, values=(40.0, 200.0)):
    """A textured ellipse that touches `box` on all sides, float32, on a margin of one value."""
    height, width = shape
    y, x = np.mgrid[:height, :width] + 0.5
    x0, y0, x1, y1 = box
    inside = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1
    texture = 0.5 + 0.5 * np.sin((x - x0) / (x1 - x0) * 9) * np.cos((y - y0) / (y1 - y0) * 7 + 1)
    return np.where(inside, values[0] + (values[1] - values[0]) * texture, margin).astype(np.float32)


def framed(image, offset, width, value):
    """With a rectangle's line drawn `offset` pixels from the edge."""
    image = image.copy()
    inner = slice(offset + width, -offset - width)
    keep = image[inner, inner].copy()
    end = (-offset or None) if offset else None
    image[offset:end, offset:end] = value
    image[inner, inner] = keep
    return image


def with_text(image, value):
    """With burnt-in marks like lines of text in the corners."""
    image, rng = image.copy(), np.random.default_rng(3)
    for y, x in ((15, 15), (15, 430), (480, 15), (480, 430)):
        strokes = np.kron(rng.random((7, 30)) > 0.5, np.ones((2, 2), bool))
        image[y : y + 14, x : x + 60][strokes] = value
    return image


def disc(height, width, x, y, radius):
    rows, columns = np.mgrid[:height, :width]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def assert_box(received, expected, within=2):
    assert np.abs(np.subtract(received, expected)).max() <= within, f"expected {expected}, received {received}"


# gray


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [
        ([255, 0, 0], 76.245),
        ([0, 255, 0], 149.685),
        ([0, 0, 255], 29.07),
        ([100, 100, 100], 100.0),
        ([10, 20, 30], 18.15),
        ([200, 255], 200.0),
        ([200, 0], 0.0),
        ([200, 51], 40.0),
        ([100, 100, 100, 255], 100.0),
        ([100, 100, 100, 0], 0.0),
        ([255, 0, 0, 51], 15.249),
    ],
)
def test_gray_of_a_pixel(pixel, expected):
    gray = to_gray(np.full((2, 3, len(pixel)), pixel, np.uint8))
    assert gray.shape == (2, 3)
    assert gray.dtype == np.float32
    np.testing.assert_allclose(gray, expected, rtol=1e-5)


def test_luma_weights_sum_to_one():
    assert LUMA.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("dtype", "opaque"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0), (np.float64, 1.0)])
def test_alpha_is_relative_to_the_types_range(dtype, opaque):
    pixels = np.array([[[8, opaque], [8, 0]]], dtype)
    np.testing.assert_allclose(to_gray(pixels), [[8.0, 0.0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, bool, ">u2"])
def test_gray_keeps_values_of_any_type(dtype):
    pixels = np.array([[0, 1], [1, 1]]).astype(dtype)
    np.testing.assert_array_equal(to_gray(pixels), [[0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_becomes_the_minimum(bad):
    np.testing.assert_array_equal(to_gray(np.array([[3.0, bad], [5.0, 9.0]])), [[3.0, 3.0], [5.0, 9.0]])


# An alpha that is not finite must not reach the output.
def test_an_alpha_that_is_not_finite_hides_the_pixel():
    pixels = np.dstack([head((64, 64), (10, 8, 54, 58)), np.ones((64, 64), np.float32)])
    pixels[20, 20, 1] = np.nan
    assert np.isfinite(preprocess(pixels, 32)[0]).all()


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros(5), r"^A slice must be \(H, W\) or \(H, W, 2\.\.4\)\. Received: shape \(5,\)$"),
        (np.zeros((5, 5, 1)), r"^A slice must be \(H, W\) or \(H, W, 2\.\.4\)\. Received: shape \(5, 5, 1\)$"),
        (np.zeros((5, 5, 5)), r"^A slice must be \(H, W\) or \(H, W, 2\.\.4\)\. Received: shape \(5, 5, 5\)$"),
        (np.zeros((2, 5, 5, 3)), r"^A slice must be \(H, W\) or \(H, W, 2\.\.4\)\. Received: shape \(2, 5, 5, 3\)$"),
        (np.float32(1), r"^A slice must be \(H, W\) or \(H, W, 2\.\.4\)\. Received: shape \(\)$"),
        (np.zeros((0, 5)), r"^A slice must have pixels\. Received: shape \(0, 5\)$"),
        (np.zeros((5, 0, 3), np.uint8), r"^A slice must have pixels\. Received: shape \(5, 0, 3\)$"),
        (np.full((5, 5), np.nan), r"^A slice must hold finite values\. Received: none$"),
        (np.full((5, 5), np.inf), r"^A slice must hold finite values\. Received: none$"),
    ],
)
def test_what_is_not_a_slice_is_refused(pixels, message):
    with pytest.raises(ValueError, match=message):
        preprocess(pixels, 32)


# margins


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(head(), BOX, id="black margin"),
        pytest.param(head(margin=255, values=(20, 180)), BOX, id="white margin"),
        pytest.param(head(margin=100, values=(150, 250)), BOX, id="gray margin"),
        pytest.param(framed(head(), 8, 1, 255), BOX, id="thin white frame on black"),
        pytest.param(framed(head(), 8, 2, 255), BOX, id="two-pixel frame on black"),
        pytest.param(framed(head(margin=255, values=(20, 180)), 8, 1, 0), BOX, id="thin black frame on white"),
        pytest.param(with_text(head(), 255), BOX, id="text on black"),
        pytest.param(with_text(head(margin=255, values=(20, 180)), 0), BOX, id="text on white"),
        pytest.param(with_text(framed(head(), 5, 1, 255), 255), BOX, id="frame and text"),
        pytest.param(head((256, 256), (40, 30, 200, 220)), (40, 30, 200, 220), id="small"),
        pytest.param(head((300, 700), (200, 40, 500, 260)), (200, 40, 500, 260), id="wide"),
        pytest.param(head((700, 300), (40, 200, 260, 500)), (40, 200, 260, 500), id="tall"),
        pytest.param(head((100, 100), (0, 0, 100, 100)), (0, 0, 100, 100), id="no margin"),
    ],
)
def test_margins_are_cropped(image, expected):
    assert_box(find_box(image), expected)


def test_margins_of_a_large_image_are_cropped_to_the_search_grid():
    assert_box(find_box(head((2000, 1500), (300, 200, 1200, 1700))), (300, 200, 1200, 1700), within=7)


# A frame on the outermost pixels must not be taken for the margin.
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_thin_frame_on_the_very_edge_does_not_hold_the_box_open(width):
    assert_box(find_box(framed(head(), 0, width, 255)), BOX)


def test_noise_in_the_margin_does_not_hold_the_box_open():
    noisy = head() + np.random.default_rng(0).normal(0, 2, (512, 512)).astype(np.float32)
    assert_box(find_box(noisy), BOX, within=3)


@pytest.mark.parametrize("side", [1, 3, 10, 40])
def test_a_bright_speck_does_not_become_the_box(side):
    image = np.zeros((512, 512), np.float32)
    image[100 : 100 + side, 300 : 300 + side] = 255
    assert find_box(image) == (0, 0, 512, 512)
    assert_box(find_box(np.maximum(head(), image)), BOX)


@pytest.mark.parametrize("bar", [np.s_[100:400, 250:270], np.s_[250:270, 100:400]])
def test_a_thin_bar_does_not_become_the_box(bar):
    image = np.zeros((512, 512), np.float32)
    image[bar] = 255
    assert find_box(image) == (0, 0, 512, 512)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 50), (50, 2), (3, 3)])
@pytest.mark.parametrize("channels", [None, 2, 3, 4])
def test_tiny_images_are_kept_whole(shape, channels):
    pixels = np.random.default_rng(0).integers(0, 256, shape if channels is None else (*shape, channels), np.uint8)
    image, frame = preprocess(pixels, 32)
    assert frame.box == (0, 0, shape[1], shape[0])
    assert (frame.height, frame.width) == shape
    assert image.shape == (32, 32)
    assert np.isfinite(image).all()


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_image_becomes_black(value):
    image, frame = preprocess(np.full((40, 60), value, np.uint8), 32)
    assert frame.box == (0, 0, 60, 40)
    np.testing.assert_array_equal(image, np.zeros((32, 32), np.float32))


# window


def test_window_maps_the_percentiles_to_0_and_1():
    gray = np.arange(1001, dtype=np.float32).reshape(7, 143)
    windowed = window(gray)
    assert windowed.dtype == np.float32
    low, high = 10.0, 995.0
    np.testing.assert_allclose(windowed, np.clip((gray - low) / (high - low), 0, 1), atol=1e-6)


def test_window_of_an_almost_constant_image_uses_its_extremes():
    gray = np.zeros((100, 100), np.float32)
    gray[50, 50] = 8
    windowed = window(gray)
    assert windowed[50, 50] == 1.0
    assert windowed.sum() == 1.0


@pytest.mark.parametrize(("gain", "offset"), [(2, 3), (0.001, -5), (257, 0), (100, -40_000), (1, 1000)])
def test_a_linear_window_changes_nothing(gain, offset):
    expected, frame = preprocess(head(), 96)
    received, other = preprocess(head().astype(np.float64) * gain + offset, 96)
    assert other == frame
    np.testing.assert_allclose(received, expected, atol=2e-5)


def test_8_and_16_bit_are_the_same():
    eight = head().astype(np.uint8)
    expected, _ = preprocess(eight, 96)
    np.testing.assert_allclose(preprocess(eight.astype(np.uint16) * 257, 96)[0], expected, atol=1e-6)
    np.testing.assert_allclose(preprocess(eight.astype(">u2") * 257, 96)[0], expected, atol=1e-6)


def test_gray_rgb_and_opaque_rgba_are_the_same():
    eight = head().astype(np.uint8)
    expected, _ = preprocess(eight, 96)
    opaque = np.full_like(eight, 255)
    for channels in ([eight, opaque], [eight] * 3, [eight] * 3 + [opaque]):
        np.testing.assert_allclose(preprocess(np.dstack(channels), 96)[0], expected, atol=1e-5)


# the whole


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.random.default_rng(1).integers(0, 256, (90, 70), np.uint8), id="noise"),
        pytest.param(np.random.default_rng(1).normal(0, 1e6, (90, 70)), id="wide floats"),
        pytest.param(np.random.default_rng(1).integers(-2000, 3000, (90, 70), np.int16), id="negative"),
        pytest.param(head(), id="head"),
    ],
)
@pytest.mark.parametrize("size", [1, 32, 128, 224])
def test_output_is_float32_from_0_to_1(pixels, size):
    image, _ = preprocess(pixels, size)
    assert image.dtype == np.float32
    assert image.shape == (size, size)
    assert image.min() >= 0.0
    assert image.max() <= 1.0
    if size > 1:
        assert image.max() > 0.55
        assert image.min() < 0.45


@pytest.mark.parametrize(
    ("shape", "padding"),
    [((50, 100), np.s_[[*range(15), *range(49, 64)], :]), ((100, 50), np.s_[:, [*range(15), *range(49, 64)]])],
)
def test_the_aspect_is_kept_and_the_padding_is_black(shape, padding):
    pixels = np.full(shape, 100, np.uint8)
    pixels[::2, ::2] = 200
    image, frame = preprocess(pixels, 64)
    assert frame.box == (0, 0, shape[1], shape[0])
    assert (image[padding] == 0).all()
    assert image[24:40, 24:40].min() > 0.1


def test_a_round_thing_stays_round():
    image, _ = preprocess(head((300, 500), (100, 50, 300, 250), values=(200, 200.1)), 100)
    assert image[50, 2] > 0.9
    assert image[2, 50] > 0.9
    assert image[50, 97] > 0.9
    assert image[97, 50] > 0.9
    assert image[8, 8] == 0.0
    assert (image > 0.5).mean() == pytest.approx(np.pi / 4, abs=0.01)


def test_down_sizing_does_not_alias():
    checkers = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    image, frame = preprocess(checkers, 128)
    assert frame.box == (0, 0, 512, 512)
    assert np.abs(image - 0.5).max() < 0.01


@pytest.mark.parametrize("margins", [(0, 0, 0, 0), (30, 30, 30, 30), (100, 0, 0, 0), (0, 150, 20, 60)])
def test_black_margins_of_any_width_change_next_to_nothing(margins):
    tight = head()[70:460, 110:410]
    top, bottom, left, right = margins
    expected, _ = preprocess(tight, 128)
    received, _ = preprocess(np.pad(tight, ((top, bottom), (left, right))), 128)
    assert np.abs(received - expected).mean() < 0.01


@pytest.mark.parametrize(
    "pixels", [head(), head().astype(np.uint8), np.dstack([head()] * 4).astype(np.uint8), np.array([[np.nan, 1], [2, 3]])]
)
def test_the_input_is_not_changed(pixels):
    before = pixels.copy()
    pixels.setflags(write=False)
    preprocess(pixels, 64)
    np.testing.assert_array_equal(pixels, before)


def test_the_same_pixels_give_the_same_output():
    np.testing.assert_array_equal(preprocess(head(), 64)[0], preprocess(head(), 64)[0])


def test_views_are_taken_as_they_look():
    wide = np.dstack([head()] * 3)[::2, ::-3]
    np.testing.assert_array_equal(preprocess(wide, 64)[0], preprocess(np.ascontiguousarray(wide), 64)[0])


# As a square of its long side, this strip would need 256 MB, and one of 1 x 100000 40 GB.
def test_a_strip_does_not_need_the_memory_of_its_square():
    strip = np.random.default_rng(0).integers(0, 256, (4, 8000), np.uint8)
    tracemalloc.start()
    try:
        preprocess(strip, 64)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


def test_rings_are_what_lies_that_far_from_the_border():
    values = np.arange(20).reshape(4, 5)
    assert sorted(_ring(values, 0, 1)) == [0, 1, 2, 3, 4, 5, 9, 10, 14, 15, 16, 17, 18, 19]
    assert sorted(_ring(values, 1, 8)) == [6, 7, 8, 11, 12, 13]
    assert sorted(_ring(np.arange(49).reshape(7, 7), 1, 3)) == [
        n for r in range(7, 42, 7) for n in range(r + 1, r + 6) if n != 24
    ]
    np.testing.assert_array_equal(_ring(values[:1], 1, 8), values[:1])  # too small for it
