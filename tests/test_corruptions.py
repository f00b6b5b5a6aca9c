import numpy as np
import pytest
from PIL import Image

from model.training import corruptions
from model.training.asking import find_cases
from model.training.corruptions import CORRUPTIONS, robustness, robustness_plot
from synthetic import head, write_tree
from test_asking import Oracle


@pytest.fixture
def slice_():
    return head(3, size=120, tumor=True)[0]


@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda c: c.__name__)
def test_each_gives_other_8_bit_pixels_and_leaves_its_input(corrupt, slice_):
    before = slice_.copy()
    changed = corrupt(slice_)
    assert np.array_equal(slice_, before)
    assert changed.dtype == np.uint8
    assert changed.ndim == 2
    assert changed.shape != slice_.shape or np.abs(changed.astype(int) - slice_).mean() > 0.5
    assert np.array_equal(changed, corrupt(slice_))  # the same each time
    assert corrupt.__doc__


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mirrored", [[3, 2, 1], [6, 5, 4]]),
        ("upside_down", [[6, 5, 4], [3, 2, 1]]),
        ("inverted", [[254, 253, 252], [251, 250, 249]]),
        ("low_contrast", [[100, 100, 101], [101, 101, 101]]),
    ],
)
def test_values(name, expected):
    pixels = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    assert getattr(corruptions, name)(pixels).tolist() == expected


def test_shapes(slice_):
    assert corruptions.cropped_tight(slice_).shape == (96, 96)
    assert corruptions.wide_margins(slice_).shape == (240, 240)
    assert max(corruptions.low_resolution(np.zeros((300, 400), np.uint8)).shape) == 96


def test_gamma_and_bias():
    gray = np.full((4, 100), 128, np.uint8)
    assert corruptions.gamma_dark(gray)[0, 0] == 64
    assert corruptions.gamma_bright(gray)[0, 0] == 181
    assert corruptions.bias_field(gray)[0, [0, -1]].tolist() == [51, 205]


def test_robustness_counts_what_goes_wrong(tmp_path):
    """The oracle calls a slice with bright pixels a glioma: darkened, none is left; inverted, every slice is one."""
    write_tree(tmp_path)
    report, as_they_come = robustness(Oracle(), find_cases(tmp_path / "brain_tumor_mri" / "Testing"))
    assert len(as_they_come.truth) == 16
    assert list(report) == ["none", *(c.__name__ for c in CORRUPTIONS)]
    assert report["none"]["accuracy"]["hits"] == 8  # gliomas and notumor
    assert report["low_contrast"]["accuracy"]["hits"] == 4  # notumor only
    assert report["inverted"]["accuracy"]["hits"] == 4  # glioma only
    assert report["inverted"]["confident_errors"]["hits"] == 12
    assert report["inverted"]["refused"]["hits"] == 0
    some, _ = robustness(Oracle(), find_cases(tmp_path / "brain_tumor_mri" / "Testing")[::2])
    assert some["none"]["accuracy"]["of"] == 8
    robustness_plot(report, tmp_path / "plots" / "c.png")
    assert np.asarray(Image.open(tmp_path / "plots" / "c.png")).std() > 10
