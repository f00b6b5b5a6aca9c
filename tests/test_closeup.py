"""Where is looked closely, what is seen there, and what comes of it."""

import numpy as np
import pytest

from fakes import INFO, fake_network, looker
from model.classifier import Classifier
from model.closeup import around, view
from model.preprocessing import Frame, preprocess

WHOLE = Frame(100, 200, (0, 0, 200, 100))


# --- where


@pytest.mark.parametrize(
    ("outlined", "scale", "expected"),
    [
        ((90, 40, 130, 60), 1.0, (70, 10, 150, 90)),  # 1.7 x 40 and 0.06 x 200
        ((90, 40, 130, 60), 1.1, (66, 6, 154, 94)),
        ((100, 50, 102, 52), 1.0, (79, 29, 123, 73)),  # a speck: 0.22 x 200
        ((0, 0, 40, 20), 1.0, (0, 0, 60, 50)),  # no further than the slice
        ((160, 90, 200, 100), 1.0, (140, 55, 200, 100)),
        ((0, 0, 200, 100), 1.0, (0, 0, 200, 100)),
    ],
)
def test_a_square_around_the_outline_within_the_slice(outlined, scale, expected):
    assert around(outlined, WHOLE, scale).box == expected


def test_no_further_than_the_network_sees():
    frame = Frame(100, 200, (60, 20, 160, 80))
    assert around((60, 20, 100, 40), frame).box == (60, 20, 117, 67)


def test_a_square_of_millimeters_where_pixels_are_high():
    frame = Frame(100, 200, (0, 0, 200, 100), aspect=2.0)
    closeup = around((90, 40, 110, 60), frame)
    assert closeup.box == (60, 30, 140, 70)
    assert closeup.aspect == 2.0
    assert closeup.side == 80


# --- what is seen


def test_gray_is_that_of_the_first_look_in_more_pixels():
    pixels = np.random.default_rng(0).integers(0, 255, (100, 200), np.uint8)
    kept = pixels.copy()
    image, frame = preprocess(pixels, 200)
    closeup = Frame(100, 200, (40, 20, 104, 84))
    seen = view(pixels, np.zeros((50, 50), np.float32), frame, closeup, 64)
    assert (seen.shape, seen.dtype) == ((64, 64, 2), np.float32)
    assert frame.box == (0, 0, 200, 100)
    np.testing.assert_allclose(seen[..., 0], image[50 + 20 : 50 + 84, 40:104], atol=1e-6)
    assert (pixels == kept).all()


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.0, 0.0), (1e-4, 0.0), (0.5, 0.5), (0.9, 0.6193), (0.9999, 1.0), (1.0, 1.0)]
)
def test_how_sure_the_first_look_is(probability, expected):
    """Its log-odds: those of 0.9 are 2.197, a part of 0.119 of what lies between 0.0001 and 0.9999."""
    seen = view(np.eye(64), np.full((32, 32), probability), Frame(64, 64, (0, 0, 64, 64)), Frame(64, 64, (8, 8, 40, 40)), 16)
    assert seen[..., 1] == pytest.approx(np.full((16, 16), expected), abs=1e-4)


def test_beyond_the_slice_there_is_nothing():
    """The close-up of a corner is padded to a square."""
    frame = Frame(64, 64, (0, 0, 64, 64))
    seen = view(np.eye(64) + 1, np.full((32, 32), 0.9), frame, Frame(64, 64, (0, 0, 32, 16)), 16)
    assert not seen[:4].any() and not seen[12:].any()
    assert (seen[4:12, :, 1] > 0.6).all()


# --- what comes of it


LOOKING = INFO | {"closeup": {"side": 48, "temperature": 1.0}}


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)


def test_what_is_outlined_is_outlined_anew(pixels):
    look = looker(1.0, (4, 4, 12, 8))
    answer = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), LOOKING, look).predict([pixels])[0]
    first = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), INFO).predict([pixels])[0]
    assert first.tumor.box == (16, 16, 32, 32)
    closeup = around(first.tumor.box, first.frame)
    assert closeup.box == (8, 8, 40, 40)
    assert look.batches[0].shape == (1, 48, 48, 2)
    assert answer.tumor.box == (16, 16, 32, 24)  # each place is two pixels wide
    assert answer.tumor.area_px == answer.mask.sum() == 128
    assert answer.probabilities == first.probabilities
    assert set(answer.timings_ms) == {"preprocess", "infer", "decide"}


def test_where_the_close_up_shows_nothing_the_first_outline_stays(pixels):
    answer = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), LOOKING, looker(0.01, (4, 4, 12, 8)))
    assert answer.predict([pixels])[0].tumor.box == (16, 16, 32, 32)


@pytest.mark.parametrize(("side", "looked"), [(33, True), (32, False), (16, False)])
def test_what_fills_the_slice_is_not_looked_at_again(pixels, side, looked):
    """The first look sees 64 x 64 pixels, the close-up shows the half of that side: in as many pixels from 32 on."""
    info = INFO | {"closeup": {"side": side, "temperature": 1.0}}
    assert INFO["input_size"] == 64
    look = looker(1.0, (4, 4, 12, 8))
    answer = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), info, look).predict([pixels])[0]
    assert [batch.shape for batch in look.batches] == [(1, side, side, 2)] * looked
    assert (answer.tumor.box == (16, 16, 32, 32)) == (not looked)


@pytest.mark.parametrize(
    "network",
    [
        fake_network([0.02, 0.02, 0.94, 0.02], mask_value=0.9),
        fake_network([0.97, 0.01, 0.01, 0.01], mask_value=0.9, gate=3.0),
        fake_network([0.97, 0.01, 0.01, 0.01], mask_value=0.0),
    ],
    ids=["no tumor", "refused", "nothing outlined"],
)
def test_without_an_outline_nobody_looks_closely(pixels, network):
    look = looker(1.0, (4, 4, 12, 8))
    answer = Classifier(network, LOOKING, look).predict([pixels])[0]
    assert not answer.mask.any() and answer.tumor is None
    assert look.batches == []


def test_of_several_slices_each_is_shown_by_itself(pixels):
    look = looker(1.0, (4, 4, 12, 8))
    slices = [pixels, pixels[::-1], pixels[:, ::-1]]
    answers = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), LOOKING, look).predict(slices)
    assert [len(batch) for batch in look.batches] == [1, 1, 1]
    assert not np.array_equal(look.batches[0], look.batches[1])
    assert [answer.tumor.box for answer in answers] == [(16, 16, 32, 24)] * 3
