"""The tumor's outline, its region, the evidence for a class and the picture of both."""

import io

import numpy as np
import pytest
from PIL import Image

from model.explanation import (
    LEAST_LEVEL,
    MAX_DISPLAY_SIDE,
    OUTLINE,
    evidence_map,
    level_of_best_dice,
    region,
    render,
    tempered,
    tumor_mask,
)
from model.labels import LABELS
from model.prediction import Prediction, TumorRegion
from model.preprocessing import Frame

WHOLE = Frame(64, 64, (0, 0, 64, 64))


def spots(*places, side=64, low=0.0, high=1.0):
    """A map that is `high` within (x0, y0, x1, y1) places."""
    values = np.full((side, side), low, np.float32)
    for x0, y0, x1, y1 in places:
        values[y0:y1, x0:x1] = high
    return values


def rectangle(shape, box):
    x0, y0, x1, y1 = box
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def decoded(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return Image.open(io.BytesIO(png))


def explained(evidence, frame=WHOLE, status="ok"):
    return Prediction(status, 0.9, np.zeros((frame.height, frame.width), bool), evidence=evidence, frame=frame)


# mask


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        pytest.param(spots(), None, id="nothing"),
        pytest.param(spots(low=0.09), None, id="everywhere too faint"),
        pytest.param(spots(low=0.11), (0, 0, 64, 64), id="everywhere alike"),
        pytest.param(spots((10, 20, 30, 44)), (10, 20, 30, 44), id="one"),
        pytest.param(spots((10, 20, 30, 44), high=0.11), (10, 20, 30, 44), id="one, barely"),
        pytest.param(spots((10, 20, 30, 44), low=0.2, high=0.9), (10, 20, 30, 44), id="one, before a doubtful ground"),
        pytest.param(spots((10, 20, 30, 44), (50, 50, 51, 51)), (10, 20, 30, 44), id="a speck of one pixel goes"),
        pytest.param(spots((5, 5, 6, 8)), None, id="three pixels alone go"),
        pytest.param(spots((5, 5, 7, 7)), (5, 5, 7, 7), id="four pixels alone stay"),
        pytest.param(spots((0, 0, 40, 40), (50, 50, 58, 59)), (0, 0, 40, 40), id="under a twentieth of the largest"),
    ],
)
def test_tumor_mask(probability, expected):
    mask = tumor_mask(probability, WHOLE)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, np.zeros((64, 64), bool) if expected is None else rectangle((64, 64), expected))


def test_two_tumors_of_like_size_both_stay():
    mask = tumor_mask(spots((5, 5, 25, 25), (40, 40, 50, 50)), WHOLE)
    np.testing.assert_array_equal(mask, rectangle((64, 64), (5, 5, 25, 25)) | rectangle((64, 64), (40, 40, 50, 50)))


def test_specks_are_measured_against_the_network_view():
    frame = Frame(1000, 1000, (0, 0, 1000, 1000))  # 0.0004 of it are 400 pixels, 16 x 16 would be too few
    small, large = np.zeros((125, 125), np.float32), np.zeros((125, 125), np.float32)
    small[50:52, 50:52] = 1
    large[50:54, 50:54] = 1
    assert not tumor_mask(small, frame).any()
    assert tumor_mask(large, frame).sum() == pytest.approx(32 * 32, rel=0.1)


def test_the_mask_lies_in_the_input():
    frame = Frame(100, 200, (50, 10, 130, 90))
    mask = tumor_mask(spots((0, 0, 32, 32)), frame)
    assert mask.shape == (100, 200)
    assert (mask & rectangle((100, 200), (50, 10, 90, 50))).sum() / mask.sum() > 0.97
    assert region(mask).box == pytest.approx((50, 10, 90, 50), abs=1)


def test_the_level_is_lower_the_less_clear_the_mask_is():
    assert level_of_best_dice(spots((10, 20, 30, 44))) == 0.5
    half, third = (level_of_best_dice(spots((10, 20, 30, 44), high=p)) for p in (1 / 2, 1 / 3))
    assert half == pytest.approx(1 / 3, rel=1e-5)  # half the expected Dice, which is 2p / (1 + p)
    assert third == pytest.approx(1 / 4, rel=1e-5)
    assert level_of_best_dice(spots()) == level_of_best_dice(spots(low=0.05)) == LEAST_LEVEL


def test_the_level_expects_as_much_overlap_as_any_other():
    """Tumors drawn after the mask overlap best, on the average, with what lies above the level."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    mask = np.exp(-((rows - 16) ** 2 + (columns - 12) ** 2) / 60.0).astype(np.float32) * 0.8
    drawn = rng.random((400, 32, 32)) < mask

    def dice(level):
        outlined = mask >= level
        return np.mean(2.0 * (drawn & outlined).sum(axis=(1, 2)) / (drawn.sum(axis=(1, 2)) + outlined.sum()))

    best = level_of_best_dice(mask)
    assert 0.2 < best < 0.4
    assert dice(best) == pytest.approx(max(dice(level) for level in np.arange(0.05, 0.8, 0.01)), abs=0.002)
    assert dice(best) > dice(0.5) + 0.03


@pytest.mark.parametrize(
    ("probability", "temperature", "expected"), [(0.8, 1, 0.8), (0.8, 2, 2 / 3), (0.2, 2, 1 / 3), (0.5, 9, 0.5)]
)
def test_a_temperature_divides_the_log_odds(probability, temperature, expected):
    made = tempered(np.full((2, 2), probability), temperature)
    assert made.dtype == np.float32
    assert made == pytest.approx(np.full((2, 2), expected), rel=1e-5)


def test_a_temperature_makes_nothing_of_what_is_certain():
    certain = spots((10, 20, 30, 44))
    np.testing.assert_array_equal(tumor_mask(certain, WHOLE, 2.0), rectangle((64, 64), (10, 20, 30, 44)))


# region


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (np.zeros((10, 20), bool), None),
        (rectangle((10, 20), (3, 2, 8, 6)), TumorRegion(20, 0.1, (3, 2, 8, 6))),
        (rectangle((10, 20), (19, 9, 20, 10)), TumorRegion(1, 0.005, (19, 9, 20, 10))),
        (np.ones((10, 20), bool), TumorRegion(200, 1.0, (0, 0, 20, 10))),
        (
            rectangle((10, 20), (0, 0, 2, 2)) | rectangle((10, 20), (15, 7, 16, 9)),
            TumorRegion(6, 0.03, (0, 0, 16, 9)),
        ),
    ],
)
def test_region(mask, expected):
    assert region(mask) == expected


def test_a_region_is_of_plain_types():
    found = region(rectangle((10, 20), (3, 2, 8, 6)))
    assert type(found.area_px) is int
    assert type(found.area_fraction) is float
    assert [type(v) for v in found.box] == [int] * 4


# evidence


@pytest.mark.parametrize(("index", "label"), list(enumerate(LABELS)))
def test_evidence_is_that_of_the_class(index, label):
    evidence = np.broadcast_to(np.array([1.5, -2.0, 3.0, 0.25], np.float32), (8, 8, 4))
    laid = evidence_map(explained(evidence), label)
    assert laid.dtype == np.float32
    np.testing.assert_allclose(laid, np.full((64, 64), evidence[0, 0, index]), atol=1e-6)


def test_the_mean_of_the_evidence_is_the_logit():
    evidence = np.random.default_rng(0).normal(0, 2, (8, 8, 4)).astype(np.float32)
    for index, label in enumerate(LABELS):
        laid = evidence_map(explained(evidence), label)
        assert laid.mean() == pytest.approx(evidence[..., index].mean(), abs=1e-4)


def test_evidence_lies_where_the_network_saw_it():
    evidence = np.zeros((8, 8, 4), np.float32)
    evidence[:4, 4:, 3] = 5
    frame = Frame(100, 200, (50, 10, 130, 90))
    laid = evidence_map(explained(evidence, frame), "pituitary")
    assert laid.shape == (100, 200)
    assert laid[20, 120] == pytest.approx(5)
    assert laid[20, 60] == laid[80, 120] == laid[20, 140] == laid[5, 120] == 0.0


def test_evidence_is_not_changed():
    evidence = np.random.default_rng(0).normal(0, 2, (8, 8, 4)).astype(np.float32)
    before = evidence.copy()
    evidence.setflags(write=False)
    evidence_map(explained(evidence), "glioma")
    np.testing.assert_array_equal(evidence, before)


@pytest.mark.parametrize(
    ("prediction", "label", "message"),
    [
        (
            explained(np.zeros((8, 8, 4), np.float32)),
            "edema",
            "^Expected one of glioma, meningioma, notumor, pituitary. Received: 'edema'$",
        ),
        (
            explained(np.zeros((8, 8, 4), np.float32)),
            0,
            "^Expected one of glioma, meningioma, notumor, pituitary. Received: 0$",
        ),
        (explained(None, status="refused"), "glioma", r"^A refused slice has no evidence for any class\.$"),
    ],
)
def test_evidence_that_there_is_not(prediction, label, message):
    with pytest.raises(ValueError, match=message):
        evidence_map(prediction, label)


# picture


def test_the_picture_is_windowed_gray():
    pixels = np.linspace(1000, 3000, 48 * 64).reshape(48, 64).astype(np.uint16)
    image = decoded(render(pixels))
    assert (image.mode, image.size) == ("L", (64, 48))
    shown = np.asarray(image).astype(float)
    assert (shown.min(), shown.max()) == (0, 255)
    assert shown[24, 0] == pytest.approx(126, abs=2)
    assert (np.diff(shown.ravel()) >= 0).all()


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1024, 1024), (1024, 1024)),
        ((1500, 3000), (1024, 512)),
        ((3000, 1500), (512, 1024)),
        ((2, 4000), (1024, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_a_large_picture_is_shown_smaller(shape, size):
    assert decoded(render(np.random.default_rng(0).integers(0, 256, shape, np.uint8))).size == size
    assert max(size) <= MAX_DISPLAY_SIDE == 1024


@pytest.mark.parametrize("mask", [None, np.zeros((64, 64), bool)])
def test_without_a_tumor_there_is_no_outline(mask):
    assert decoded(render(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8), mask)).mode == "L"


def test_the_outline_is_drawn_around_the_tumor():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    mask = rectangle((64, 64), (20, 10, 40, 30))
    plain = np.asarray(decoded(render(pixels)).convert("RGB"))
    drawn = decoded(render(pixels, mask))
    assert (drawn.mode, drawn.size) == ("RGB", (64, 64))
    drawn = np.asarray(drawn)
    edge = rectangle((64, 64), (20, 9, 40, 31)) | rectangle((64, 64), (19, 10, 41, 30))
    edge &= ~mask
    assert (drawn[edge] == OUTLINE).all()
    np.testing.assert_array_equal(drawn[~edge], plain[~edge])
    assert OUTLINE == (255, 176, 0)


def test_the_outline_of_a_large_picture_follows_its_scale():
    pixels = np.random.default_rng(0).integers(0, 256, (2048, 2048), np.uint8)
    drawn = np.asarray(decoded(render(pixels, rectangle((2048, 2048), (600, 400, 1400, 1200)))))
    outlined = (drawn == OUTLINE).all(axis=2)
    rows, columns = np.flatnonzero(outlined.any(1)), np.flatnonzero(outlined.any(0))
    assert (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) == (296, 196, 704, 604)
    assert not outlined[200:600, 300:700].any()


@pytest.mark.parametrize(
    "pixels",
    [
        np.random.default_rng(0).integers(0, 256, (20, 30, 2), np.uint8),
        np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8),
        np.random.default_rng(0).normal(0, 1, (20, 30)),
        np.where(np.eye(20, 30) > 0, np.nan, 1.0),
        np.zeros((20, 30), np.uint8),
    ],
)
def test_any_slice_has_a_picture_and_stays_as_it_is(pixels):
    before = pixels.copy()
    pixels.setflags(write=False)
    mask = rectangle((20, 30), (3, 3, 9, 9))
    mask.setflags(write=False)
    assert decoded(render(pixels, mask)).size == (30, 20)
    np.testing.assert_array_equal(pixels, before)
