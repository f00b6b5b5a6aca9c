"""What is no brain MRI slice gets no class from the real network, and a real MRI slice of another scanner is not sent away."""

import gzip
import importlib.resources

import matplotlib.cbook
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.data import get_testdata_file

from model.classifier import LOOKS_LIKE_CT, SEVERAL_SLICES, UNLIKE
from scripts.gather_bodies import SAMPLES, pairs
from scripts.gather_ct import WINDOWS, toned

RNG = np.random.default_rng(0)
GRID = np.mgrid[:256, :256].astype(np.float32)


def document() -> np.ndarray:
    """A page of dark text on white."""
    page = Image.new("L", (420, 594), 255)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for line in range(34):
        words = " ".join(RNG.choice(["patient", "name", "date", "finding", "report", "scan"], 9))
        draw.text((24, 24 + 16 * line), words, fill=20, font=font)
    return np.asarray(page)


def photograph(name: str) -> np.ndarray:
    """One of the photographs that scikit-learn comes with, made gray so that its colors do not give it away."""
    with importlib.resources.files("sklearn.datasets.images").joinpath(name).open("rb") as file:
        return np.asarray(Image.open(file).convert("L"))


def portrait() -> np.ndarray:
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("L"))


def disc() -> np.ndarray:
    """A phantom: an even disc with a bright rim, as a CT of a bottle looks."""
    radius = np.hypot(GRID[0] - 127.5, GRID[1] - 127.5)
    return np.where(radius < 90, 120, np.where(radius < 100, 240, 0)).astype(np.uint8)


OTHER_THINGS = {
    "a page of text": document(),
    "a page of text, inverted": 255 - document(),
    "noise": RNG.integers(0, 256, (256, 256)).astype(np.uint8),
    "a gradient": (GRID[1] * 0.99).astype(np.uint8),
    "a checkerboard": (255 * ((GRID[0] // 16 + GRID[1] // 16) % 2)).astype(np.uint8),
    "a disc": disc(),
    "a building": photograph("china.jpg"),
    "a flower": photograph("flower.jpg"),
    "a portrait": portrait(),
    "a dark room": RNG.integers(0, 3, (256, 256)).astype(np.uint8),
    "a white wall": np.full((256, 256), 250, np.uint8),
}


@pytest.mark.parametrize("name", OTHER_THINGS)
def test_other_things_are_refused_with_a_reason(classifier, name):
    answer = classifier.predict([OTHER_THINGS[name]])[0]
    assert answer.status == "refused", f"called {answer.label}, in_distribution {answer.in_distribution:.2f}"
    assert answer.label is None
    assert answer.reason.startswith(("This does not look like", "The image is"))


def test_two_slices_in_one_picture_are_refused_with_the_reason(classifier):
    """Nearly all of them: one pair is too unlike a brain for it, anyhow."""
    pictures = [picture for _, picture in pairs(sorted(SAMPLES.glob("*.jpg")))][::5]
    turned = [picture.rotate(90, expand=True) for picture in pictures]
    answers = classifier.predict([np.asarray(picture) for picture in pictures + turned])
    assert [answer.status for answer in answers] == ["refused"] * len(answers)
    assert sum(answer.reason == SEVERAL_SLICES for answer in answers) > 0.85 * len(answers) > 20


def head_ct() -> np.ndarray:
    """The slice of a head that pydicom comes with, in Hounsfield units."""
    slice_ = pydicom.dcmread(get_testdata_file("J2K_pixelrep_mismatch.dcm"))
    return slice_.pixel_array * float(slice_.RescaleSlope) + float(slice_.RescaleIntercept)


@pytest.mark.filterwarnings("ignore")  # pydicom tells what is wrong with this file's header
@pytest.mark.parametrize("window", ("brain", "subdural", "soft"))
def test_head_ct_as_a_picture_is_called_ct_and_not_relied_on(classifier, window):
    """Of another source than the CT in the Kaggle set."""
    picture = toned(head_ct(), *WINDOWS[window])
    for answer in classifier.predict([picture, picture[::2, ::2], picture[:, ::-1]]):
        assert (answer.status, answer.uncertain, answer.reason) == ("ok", True, LOOKS_LIKE_CT)


def test_what_is_nearly_refused_is_not_relied_on(classifier):
    """Someone's bones in a nuclear scan, which pydicom comes with, as a picture that does not tell its modality."""
    pixels = pydicom.dcmread(get_testdata_file("JPEG2000.dcm")).pixel_array
    answer = classifier.predict([pixels])[0]
    assert (answer.status, answer.uncertain, answer.reason) == ("ok", True, UNLIKE), f"{answer.in_distribution:.2f}"


def test_a_head_of_another_scanner_is_answered(classifier):
    """The sagittal slice that Matplotlib comes with: 256 x 256, 16 bit."""
    with matplotlib.cbook.get_sample_data("s1045.ima.gz") as file:
        data = file.read()
    raw = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    answer = classifier.predict([np.frombuffer(raw, np.uint16).reshape(256, 256)])[0]
    assert answer.status == "ok", f"in_distribution {answer.in_distribution:.2f}"
    assert answer.reason is None
