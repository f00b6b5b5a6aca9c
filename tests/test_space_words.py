"""What the Space says of an outline."""

import runpy
from pathlib import Path

import pytest

outlined = runpy.run_path(str(Path(__file__).parents[1] / "spaces" / "words.py"))["outlined"]
TUMOR = {"area_px": 1234, "area_fraction": 0.05, "box": [1, 2, 3, 4]}
DOUBT = "“No tumor” is the likeliest answer all the same, but an uncertain one."


@pytest.mark.parametrize(("label", "doubted"), [("notumor", True), ("glioma", False)])
def test_an_outline_beside_no_tumor_is_explained(label, doubted):
    words = outlined({"label": label, "tumor": TUMOR})
    assert "1,234 pixels, 5.0 % of the image" in words
    assert (DOUBT in words) == doubted


def test_nothing_is_said_where_nothing_is_outlined():
    assert outlined({"label": "notumor", "tumor": None}) == ""
