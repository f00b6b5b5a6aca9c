"""The pictures of an answer: evidence in color, outline, mask; and the colors themselves."""

import io

import numpy as np
import pytest
from PIL import Image

from model.explanation import OUTLINE, render
from model.labels import LABELS
from model.overlay import ANCHORS, FAINTEST, OPACITY, color_table, evidence_levels, mask_png, overlay
from model.prediction import Prediction
from model.preprocessing import Frame

GRAY = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
WHOLE = Frame(64, 64, (0, 0, 64, 64))
MASK = np.zeros((64, 64), bool)
MASK[10:30, 20:40] = True


def answer(evidence=None, mask=MASK, label="glioma", frame=WHOLE):
    """By default, evidence for glioma in the upper left quarter, half as much for pituitary in the lower right one."""
    if evidence is None:
        evidence = np.zeros((8, 8, 4), np.float32)
        evidence[:4, :4, LABELS.index("glioma")] = 10
        evidence[4:, 4:, LABELS.index("glioma")] = -10
        evidence[4:, 4:, LABELS.index("pituitary")] = 5
    return Prediction("ok", 0.9, mask, label, evidence=evidence, frame=frame)


def refused():
    return Prediction("refused", 0.1, np.zeros((64, 64), bool), reason="no brain", frame=WHOLE)


def pixels_of(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG" and image.info == {}
    return np.asarray(image.convert("RGB")).astype(int)


PLAIN = pixels_of(render(GRAY))


# evidence


def test_levels_are_a_share_of_the_strongest_evidence_for_any_class():
    glioma, pituitary = (evidence_levels(answer(), label) for label in ("glioma", "pituitary"))
    assert (glioma.dtype, glioma.shape) == (np.uint8, (64, 64))
    assert glioma[8, 8] == 255 and pituitary[56, 56] == 127
    assert glioma[56, 56] == 0 and pituitary[8, 8] == 0  # against it, and nothing


def test_faint_evidence_is_not_blown_up():
    evidence = np.full((8, 8, 4), -1, np.float32)
    evidence[..., 0] = FAINTEST / 10
    assert set(np.unique(evidence_levels(answer(evidence), "glioma"))) == {25}


def test_where_nothing_speaks_for_the_class_the_slice_shows_as_it_is():
    shown = pixels_of(overlay(GRAY, answer(), outline=False))
    np.testing.assert_array_equal(shown[36:, :], PLAIN[36:, :])
    np.testing.assert_array_equal(shown[:, 36:], PLAIN[:, 36:])
    assert (shown[:28, :28] != PLAIN[:28, :28]).any(axis=2).all()


def test_the_strongest_evidence_has_the_last_color_at_the_opacity():
    last = np.array(ANCHORS[-1])
    for opacity in (OPACITY, 0.25, 1.0):
        shown = pixels_of(overlay(GRAY, answer(), outline=False, opacity=opacity))[8, 8]
        np.testing.assert_allclose(shown, opacity * last + (1 - opacity) * PLAIN[8, 8], atol=1.5)


def test_half_of_the_evidence_has_the_middle_color_and_covers_as_much():
    shown = pixels_of(overlay(GRAY, answer(), "pituitary", outline=False, opacity=1.0))
    np.testing.assert_allclose(shown[56, 56], ANCHORS[4], atol=2)
    np.testing.assert_array_equal(shown[8, 8], PLAIN[8, 8])


def test_the_label_is_by_default_that_of_the_answer():
    assert overlay(GRAY, answer(label="pituitary")) == overlay(GRAY, answer(), "pituitary") != overlay(GRAY, answer())


def test_opacity_nil_and_no_evidence_are_the_plain_slice():
    np.testing.assert_array_equal(pixels_of(overlay(GRAY, answer(), outline=False, opacity=0.0)), PLAIN)
    assert overlay(GRAY, answer(), outline=False, evidence=False) == render(GRAY)


# outline


def test_the_outline_lies_over_the_evidence():
    shown = pixels_of(overlay(GRAY, answer()))
    assert (shown[9, 20:40] == OUTLINE).all()
    np.testing.assert_array_equal(
        pixels_of(overlay(GRAY, answer(), evidence=False)), pixels_of(render(GRAY, MASK)),
    )  # fmt: skip
    inside = pixels_of(overlay(GRAY, answer(), outline=False))[12:28, 22:38]
    np.testing.assert_array_equal(shown[12:28, 22:38], inside)


# any slice


def test_a_large_slice_is_shown_smaller():
    frame = Frame(1500, 3000, (0, 0, 3000, 1500))
    mask = np.zeros((1500, 3000), bool)
    mask[600:900, 600:900] = True
    pixels = np.random.default_rng(0).integers(0, 4096, (1500, 3000)).astype(np.uint16)
    assert pixels_of(overlay(pixels, answer(mask=mask, frame=frame))).shape == (512, 1024, 3)


def test_evidence_lies_within_the_cropped_box():
    frame = Frame(64, 64, (16, 16, 48, 48))
    evidence = np.full((8, 8, 4), 3, np.float32)
    shown = pixels_of(overlay(GRAY, answer(evidence, frame=frame), outline=False))
    changed = (shown != PLAIN).any(axis=2)
    assert changed[16:48, 16:48].all() and changed.sum() == 32 * 32


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_inputs_stay_as_they_are(channels, dtype):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, channels)).astype(dtype)
    pixels = pixels[..., 0] if channels == 1 else pixels
    prediction = answer(mask=MASK.copy())
    before = pixels.copy(), prediction.mask.copy(), prediction.evidence.copy()
    for array in (pixels, prediction.mask, prediction.evidence):
        array.setflags(write=False)
    assert pixels_of(overlay(pixels, prediction)).shape == (64, 64, 3)
    for array, kept in zip((pixels, prediction.mask, prediction.evidence), before, strict=True):
        np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize(
    ("prediction", "options", "message"),
    [
        (answer(), {"label": "edema"}, r"^Expected one of glioma, meningioma, notumor, pituitary\. Received: 'edema'$"),
        (answer(), {"opacity": 1.5}, r"^Expected an opacity from 0 to 1\. Received: 1\.5$"),
        (answer(), {"opacity": float("nan")}, r"^Expected an opacity from 0 to 1\. Received: nan$"),
        (refused(), {"label": "glioma"}, r"^A refused slice has no evidence for any class\.$"),
    ],
)
def test_what_cannot_be_drawn(prediction, options, message):
    with pytest.raises(ValueError, match=message):
        overlay(GRAY, prediction, **options)


def test_a_refused_slice_can_be_shown_without_evidence():
    assert overlay(GRAY, refused(), evidence=False) == render(GRAY)


# mask


def test_a_mask_becomes_one_bit():
    image = Image.open(io.BytesIO(mask_png(MASK)))
    assert (image.mode, image.size) == ("1", (64, 64))
    np.testing.assert_array_equal(np.asarray(image), MASK)


# the colors, in CIE L*a*b* (ISO/CIE 11664-4) from sRGB (IEC 61966-2-1), as they are and as seen without the middle or long
# wavelength cones (matrices of Machado, Oliveira & Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1, on linear RGB)

XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
VISION = {
    "all cones": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def lab(colors, vision: str = "all cones") -> np.ndarray:
    c = np.asarray(colors, float) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ VISION[vision].T, 0, 1) @ XYZ.T / XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def test_the_colors_are_perceptually_even():
    steps = np.linalg.norm(np.diff(lab(ANCHORS), axis=0), axis=1)
    assert steps == pytest.approx(13, abs=0.9)
    table = lab(color_table())
    assert table.shape == (256, 3)
    assert np.linalg.norm(np.diff(table[::8], axis=0), axis=1) == pytest.approx(3.2, abs=1.2)


@pytest.mark.parametrize("vision", VISION)
def test_more_evidence_is_lighter_to_every_eye(vision):
    assert np.diff(lab(ANCHORS, vision)[:, 0]).min() > 5


@pytest.mark.parametrize("vision", VISION)
def test_no_color_is_taken_for_the_outline(vision):
    outline = lab([OUTLINE], vision)
    assert np.linalg.norm(lab(color_table(), vision) - outline, axis=1).min() > 60
