"""What the Space says of an outline, and of an answer that is uncertain."""

import runpy
from pathlib import Path

import pytest

WORDS = runpy.run_path(str(Path(__file__).parents[1] / "spaces" / "words.py"))
describe, outlined = WORDS["describe"], WORDS["outlined"]
TUMOR = {"area_px": 1234, "area_fraction": 0.05, "box": [1, 2, 3, 4]}
DOUBT = "“No tumor” is the likeliest answer all the same, but an uncertain one."


@pytest.mark.parametrize(("label", "doubted"), [("notumor", True), ("glioma", False)])
def test_an_outline_beside_no_tumor_is_explained(label, doubted):
    words = outlined({"label": label, "tumor": TUMOR})
    assert "1,234 pixels, 5.0 % of the image" in words
    assert (DOUBT in words) == doubted


def test_nothing_is_said_where_nothing_is_outlined():
    assert outlined({"label": "notumor", "tumor": None}) == ""


def test_why_an_answer_is_uncertain_is_told():
    chances = {"glioma": 0.97, "meningioma": 0.01, "notumor": 0.01, "pituitary": 0.01}
    record = {"status": "ok", "label": "glioma", "probabilities": chances, "uncertain": True, "tumor": None}
    warning = "<strong>The model is uncertain about this slice.</strong>"
    assert f"{warning} Glioma is only the closest of its four classes. Do not rely on this answer.</p>" in describe(record)
    assert "<strong>Do not rely on this answer.</strong> It is &lt;CT&gt;.</p>" in describe(record | {"reason": "It is <CT>."})
    assert warning not in describe(record | {"uncertain": False}) and "notice" not in describe(record | {"uncertain": False})
