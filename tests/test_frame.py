"""The way back from the network's view to the input: what was cropped, padded and resized comes to lie where it was."""

import numpy as np
import pytest

from model.preprocessing import Frame, preprocess, preprocess_part
from test_preprocessing import BOX, disc, head


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10)),
        ((5, 2, 15, 8), (0, 2, 10, 8)),
        ((0, 0, 10, 4), (0, 3, 10, 7)),
        ((3, 1, 7, 13), (4, 0, 8, 12)),
    ],
)
def test_the_box_lies_in_the_middle_of_its_square(box, inside):
    frame = Frame(20, 20, box)
    x0, y0, x1, y1 = inside
    expected = np.zeros((frame.side, frame.side))
    expected[y0:y1, x0:x1] = 1
    np.testing.assert_array_equal(frame.from_input(np.ones((20, 20)), frame.side), expected)
    np.testing.assert_array_equal(np.argwhere(frame.to_input(expected)).min(0), box[1::-1])
    assert frame.to_input(expected).sum() == (x1 - x0) * (y1 - y0)


@pytest.mark.parametrize(
    ("shape", "box", "where"),
    [
        ((512, 512), BOX, (250, 280, 60)),
        ((512, 512), BOX, (200, 150, 40)),
        ((300, 700), (200, 40, 500, 260), (350, 150, 50)),
        ((700, 300), (40, 200, 260, 500), (150, 350, 50)),
        ((100, 90), (0, 0, 90, 100), (45, 50, 20)),
    ],
)
@pytest.mark.parametrize("size", [128, 224])
def test_a_mask_comes_back_to_where_it_was(shape, box, where, size):
    frame = Frame(*shape, box)
    mask = disc(*shape, *where)
    back = frame.to_input(frame.from_input(mask, size)) >= 0.5
    assert back.shape == shape
    assert (back & mask).sum() / (back | mask).sum() > 0.95


def test_a_mask_lies_where_the_image_shows_it():
    pixels = head(values=(40, 100))
    mask = disc(512, 512, 300, 200, 30)
    pixels[mask] = 250
    image, frame = preprocess(pixels, 128)
    view = frame.from_input(mask, 128) >= 0.5
    bright = image > 0.7
    assert (view & bright).sum() / (view | bright).sum() > 0.95


def test_to_input_is_zero_outside_the_box():
    values = Frame(50, 60, (10, 5, 40, 45)).to_input(np.ones((8, 8)))
    assert values.dtype == np.float32
    expected = np.zeros((50, 60), np.float32)
    expected[5:45, 10:40] = 1
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert (values[expected == 0] == 0).all()


def test_to_input_keeps_left_and_right_apart():
    values = np.zeros((8, 8), np.float32)
    values[:4, :2] = 1
    laid = Frame(100, 100, (20, 20, 80, 80)).to_input(values)
    assert laid[25, 25] == 1.0
    assert laid[25, 75] == laid[75, 25] == laid[75, 75] == 0.0


def test_maps_are_not_changed():
    values = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    before = values.copy()
    values.setflags(write=False)
    frame = Frame(30, 40, (5, 5, 35, 25))
    frame.to_input(values)
    frame.from_input(np.zeros((30, 40), bool), 8)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("aspect", [1.0, 1.5])
@pytest.mark.parametrize("part", [(40, 30, 90, 70), (10, 5, 110, 95), (10, 5, 12, 95), (60, 94, 110, 95)])
def test_a_part_of_a_map_is_what_lies_there_in_the_whole(part, aspect):
    frame = Frame(100, 120, (10, 5, 110, 95), aspect)
    values = np.random.default_rng(3).random((16, 16), np.float32)
    within = Frame(100, 120, part, aspect)
    received = frame.to_part(values, within)
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, within.crop(frame.to_input(values)), atol=1e-5)


def test_a_part_of_a_slice_has_the_window_of_the_whole():
    """What is brightest in the part is so only there."""
    pixels = np.zeros((80, 80), np.uint8)
    pixels[8:72, 8:72] = np.linspace(40, 240, 64, dtype=np.uint8)
    image, frame = preprocess(pixels, 64)
    assert frame.box == (8, 8, 72, 72)
    part = Frame(80, 80, (16, 24, 32, 40))
    received = preprocess_part(pixels, frame, part, 16)
    assert (received.shape, received.dtype) == ((16, 16), np.float32)
    np.testing.assert_allclose(received, image[16:32, 8:24], atol=1e-6)
    assert received.max() < 0.5 and image.max() == 1.0
    np.testing.assert_allclose(preprocess_part(pixels.astype(np.float32), frame, part, 16), received, atol=1e-6)
