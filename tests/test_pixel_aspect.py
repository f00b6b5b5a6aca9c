"""Pixels that are higher than wide, or wider: the network sees the head as it is, and masks lie where they belong."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import ok
from format_samples import dicom, nifti, volume
from model.batch import Source, answer_files
from model.explanation import outline
from model.formats.common import MOST_ASPECT, Scan, Series
from model.preprocessing import Frame, preprocess
from model.reading import read
from test_preprocessing import disc, head
from uploads import API, send
from web.analysis import Answer
from web.pictures import explained, layers, outlined

SAMPLES = Path(__file__).parent / "samples"
DOWN, UP = 0.5, 2.0  # the rows of a picture; its pixels are then twice as high as wide, or half as high


def with_rows(pixels: np.ndarray, factor: float) -> np.ndarray:
    height, width = pixels.shape
    return np.asarray(Image.fromarray(pixels).resize((width, round(height * factor)), Image.BOX))


@pytest.mark.parametrize("factor", [DOWN, UP])
def test_the_network_sees_the_same_head(factor):
    expected, _ = preprocess(head(), 128)
    received, frame = preprocess(with_rows(head(), factor), 128, 1 / factor)
    assert frame.aspect == 1 / factor
    assert np.abs(received - expected).mean() < 0.02
    assert np.abs(preprocess(with_rows(head(), factor), 128)[0] - expected).mean() > 0.1  # as it was before


@pytest.mark.parametrize("aspect", [0.4, 1.25, 3.0])
@pytest.mark.parametrize("box", [(40, 30, 290, 280), (0, 100, 300, 200), (100, 0, 180, 300)])
def test_a_mask_comes_back_to_where_it_was(box, aspect):
    frame = Frame(300, 300, box, aspect)
    mask = disc(300, 300, 140, 150, 35)
    back = frame.to_input(frame.from_input(mask, 224)) >= 0.5
    assert (back & mask).sum() / (back | mask).sum() > 0.92


@pytest.mark.parametrize(
    ("spacing", "affine", "aspect"),
    [
        ((3.0, 2.0, 1.0), None, 2.0),
        ((3.0, 1.0, 2.0), None, 0.5),
        ((9.0, 1.005, 1.0), None, 1.0),
        ((3.0, MOST_ASPECT + 0.1, 1.0), None, 1.0),
        (None, np.diag([3.0, 1.5, 1.0, 1.0]), 1.5),
        (None, np.array([[0.0, 0, -1, 5], [0, 1.2, 0, 5], [3, 0, 0, 5], [0, 0, 0, 1]]), 1.2),
        (None, None, 1.0),
    ],
)
def test_how_high_a_pixel_is(spacing, affine, aspect):
    series = Series(1, 3, spacing, affine)
    assert series.pixel_aspect == pytest.approx(aspect)
    assert Scan("ZIP", [np.zeros((9, 9))] * 4, (series,)).pixel_aspects == pytest.approx([1.0, aspect, aspect, 1.0])


def test_dicom_and_nifti_tell_it():
    assert read(dicom(PixelSpacing=[2.0, 1.0])).pixel_aspects == [2.0]
    assert read(dicom(PixelSpacing=None)).pixel_aspects == [1.0]
    assert read(nifti(affine=np.diag([1.0, 1.25, 3.0, 1.0]))).pixel_aspects == pytest.approx([1.25] * len(volume()))


@pytest.mark.parametrize("factor", [DOWN, UP])
@pytest.mark.parametrize("name", ["glioma_Te-gl_0010", "pituitary_Te-pi_0015"])
def test_the_answer_is_that_of_square_pixels(classifier, name, factor):
    pixels = np.asarray(Image.open(SAMPLES / f"{name}.jpg").convert("L"))
    expected, received = classifier.predict([pixels, with_rows(pixels, factor)], [1.0, 1 / factor])
    assert received.label == expected.label == name.split("_")[0]
    assert received.probabilities[received.label] == pytest.approx(expected.probabilities[received.label], abs=0.05)
    mask = with_rows(received.mask.astype(np.uint8) * 255, 1 / factor) > 127
    assert (mask & expected.mask).sum() / (mask | expected.mask).sum() > 0.7  # rows that were left out are not seen


def test_the_page_the_api_and_predict_py_tell_the_classifier(client, fake, tmp_path):
    data = dicom(PixelSpacing=[2.0, 1.0])
    send(client, "/", ("a.dcm", data))
    send(client, API, ("a.dcm", data))
    (tmp_path / "a.dcm").write_bytes(data)
    list(answer_files(fake, [Source("a.dcm", tmp_path / "a.dcm")]))
    assert fake.aspects == [2.0] * 3


@pytest.mark.parametrize(
    ("aspect", "size", "square", "box"),
    [
        (2.0, (40, 40), [0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]),
        (1.0, (40, 20), [0.0, -0.25, 1.0], [0.0, 0.0, 1.0, 0.5]),
        (0.5, (80, 20), [0.0, -0.375, 1.0], [0.0, 0.0, 1.0, 0.25]),
    ],
)
def test_the_page_shows_the_head_in_its_proportions_and_the_evidence_over_it(aspect, size, square, box):
    """Of 40 x 20 pixels, of which the network saw all."""
    pixels = np.zeros((20, 40), np.uint8)
    pixels[5:15, 5:35] = 200
    prediction = replace(ok(tumor=True)(pixels), frame=Frame(20, 40, (0, 0, 40, 20), aspect))
    found = layers(pixels, prediction, 640, aspect)
    assert ((found["width"], found["height"]), found["square"], found["box"]) == (size, square, box)
    answer = Answer("a.dcm", pixels=pixels, prediction=prediction, series=Series(0, 1, (3.0, aspect, 1.0)))
    for uri in (found["image"], outlined(answer, 640), explained(answer, "glioma", 640)):
        assert opened(uri).size == size
    line = Image.new("RGBA", size)
    line.paste(opened(found["outline"]).convert("RGBA"), tuple(found["outline_at"]))
    assert (np.asarray(line)[..., 3] > 0).tolist() == outline(prediction.mask, size).tolist()


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
