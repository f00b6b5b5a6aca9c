"""The record that the scripts and the API print."""

import dataclasses
import json

import numpy as np
import pytest

from model.explanation import region
from model.labels import LABELS
from model.prediction import Prediction, TumorRegion, error_record, unread_record
from model.reading import NotMR, ReadError

MASK = np.zeros((10, 20), bool)
PROBABILITIES = {"glioma": 0.91, "meningioma": 0.05, "notumor": 0.02, "pituitary": 0.02}
TIMINGS = {"preprocess": 1.23456, "infer": 80.0, "decide": 0.0004}


def answer(**changes):
    values = {"label": "glioma", "probabilities": PROBABILITIES, "timings_ms": TIMINGS}
    return Prediction("ok", 0.97, MASK, **(values | changes))


OK = {
    "file": "a/b.jpg",
    "slice": 0,
    "status": "ok",
    "label": "glioma",
    "probabilities": PROBABILITIES,
    "uncertain": False,
    "in_distribution": 0.97,
    "tumor": None,
    "timings_ms": {"preprocess": 1.235, "infer": 80.0, "decide": 0.0},
    "model": "1.0",
}


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        pytest.param(answer(), OK, id="ok"),
        pytest.param(
            answer(tumor=TumorRegion(812, 0.0300000004, (3, 2, 8, 6))),
            OK | {"tumor": {"area_px": 812, "area_fraction": 0.03, "box": [3, 2, 8, 6]}},
            id="ok with a tumor",
        ),
        pytest.param(answer(uncertain=True), OK | {"uncertain": True}, id="uncertain"),
        pytest.param(
            answer(uncertain=True, reason="CT."),
            dict(list(OK.items())[:8]) | {"uncertain": True, "reason": "CT."} | dict(list(OK.items())[8:]),
            id="uncertain for a reason",
        ),
        pytest.param(
            answer(probabilities=dict(zip(LABELS, [1 / 3, 1 / 3, 1 / 3 - 1e-9, 1e-9], strict=True))),
            OK | {"probabilities": dict(zip(LABELS, [0.333333, 0.333333, 0.333333, 0.0], strict=True))},
            id="rounded",
        ),
        pytest.param(answer(timings_ms={}), OK | {"timings_ms": {}}, id="without timings"),
        pytest.param(
            Prediction("refused", 0.0212345678, MASK, reason="No.", timings_ms={"infer": 1.0}),
            {
                "file": "a/b.jpg",
                "slice": 0,
                "status": "refused",
                "reason": "No.",
                "in_distribution": 0.021235,
                "timings_ms": {"infer": 1.0},
                "model": "1.0",
            },
            id="refused",
        ),
    ],
)
def test_record(prediction, expected):
    record = prediction.record("a/b.jpg", 0, "1.0")
    assert record == expected
    assert list(record) == list(expected)
    assert json.loads(json.dumps(record, allow_nan=False)) == expected


def test_the_record_has_the_keys_of_the_design_in_its_order():
    assert list(answer().record("f", 0, "1")) == [
        "file",
        "slice",
        "status",
        "label",
        "probabilities",
        "uncertain",
        "in_distribution",
        "tumor",
        "timings_ms",
        "model",
    ]
    assert list(answer().record("f", 0, "1")["probabilities"]) == list(LABELS)


def test_a_refused_slice_has_no_label_and_no_probabilities():
    record = Prediction("refused", 0.1, MASK, label="glioma", probabilities=PROBABILITIES, reason="No.").record("f", 0, "1")
    assert not {"label", "probabilities", "uncertain", "tumor"} & set(record)


def test_file_slice_and_model_are_the_callers():
    record = answer().record("ß/☃.png", 7, "2.1")
    assert (record["file"], record["slice"], record["model"]) == ("ß/☃.png", 7, "2.1")


def test_a_region_measured_on_a_mask_is_ready_for_json():
    mask = MASK.copy()
    mask[2:6, 3:8] = True
    record = answer(tumor=region(mask)).record("f", 0, "1")
    assert json.loads(json.dumps(record))["tumor"] == {"area_px": 20, "area_fraction": 0.1, "box": [3, 2, 8, 6]}


def test_the_record_is_a_copy():
    prediction = answer()
    record = prediction.record("f", 0, "1")
    record["probabilities"]["glioma"] = 0
    record["timings_ms"].clear()
    assert prediction.record("f", 0, "1") == OK | {"file": "f", "model": "1"}


def test_error_record():
    record = error_record("a.png", "The file is empty. Expected an image.", "1.0")
    expected = {
        "file": "a.png",
        "slice": 0,
        "status": "error",
        "reason": "The file is empty. Expected an image.",
        "model": "1.0",
    }
    assert record == expected
    assert list(record) == list(expected)


def test_another_modality_is_refused_and_what_is_damaged_is_an_error():
    reason = "Expected an MR image. Received: CT, computed tomography."
    record = unread_record("a.dcm", NotMR(reason), "1.0", {"read": 1.23456})
    assert json.dumps(record) == json.dumps(
        {
            "file": "a.dcm",
            "slice": 0,
            "status": "refused",
            "reason": reason,
            "in_distribution": 0.0,
            "timings_ms": {"read": 1.235},
            "model": "1.0",
        }
    )
    assert unread_record("a.png", ReadError("Cut short."), "1.0", {"read": 1}) == error_record("a.png", "Cut short.", "1.0")


def test_predictions_share_no_timings():
    first, second = Prediction("ok", 1.0, MASK), Prediction("ok", 1.0, MASK)
    first.timings_ms["infer"] = 1.0
    assert second.timings_ms == {}


def test_a_prediction_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer().label = "pituitary"
