"""The loader's refusals, on copies of the real files, and what the classifier makes of the network's outputs."""

import hashlib
import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from model.classifier import (
    DEFAULT_MODEL,
    LOOKS_LIKE_CT,
    NOT_BRAIN_MRI,
    SEVERAL_SLICES,
    UNLIKE,
    Classifier,
    ModelFileError,
    calibrate,
)
from model.engines.network_file import REPAIR
from model.labels import LABELS

INFO = {
    "version": "test",
    "input_size": 64,
    "temperature": 1.0,
    "uncertain_below": 0.6,
    "gate": {"threshold": 4.0, "doubtful": 2.0, "sharpness": 3.0, "others": {"ct": -2.0, "body": -1.0, "several": 1.0}},
}


@pytest.fixture
def copy(tmp_path) -> Path:
    for name in ("model.h5", "model.json"):
        shutil.copy(DEFAULT_MODEL.with_name(name), tmp_path / name)
    return tmp_path / "model.h5"


def change_json(path: Path, **changes) -> None:
    facts = path.with_name("model.json")
    facts.write_text(json.dumps(json.loads(facts.read_text()) | changes))


def fix_hash(path: Path) -> None:
    content = path.read_bytes()
    change_json(path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as error:
        Classifier.load(path)
    message = str(error.value)
    assert "\n" not in message
    assert REPAIR not in message  # which brings the project's own file back, not this one
    return message


@pytest.mark.parametrize("name", ["model.h5", "model.json"])
def test_what_repairs_the_projects_own_file_is_told_of_it_alone(name, tmp_path, monkeypatch):
    own = DEFAULT_MODEL.with_name(name)
    monkeypatch.chdir(own.parent)
    for path in (own, Path(name)):
        message = f"{path}: expected weights. Received: none."
        assert str(ModelFileError(path, "weights", "none")) == f"{message} To repair it: {REPAIR}"
    for path in (tmp_path / name, own.with_name("another.h5")):
        assert str(ModelFileError(path, "weights", "none")) == f"{path}: expected weights. Received: none."


def test_missing(copy):
    size = copy.stat().st_size
    copy.unlink()
    assert refusal(copy).startswith(f"{copy}: expected the trained network, {size:,} bytes. Received: no such file.")


def test_truncated(copy):
    size = copy.stat().st_size
    with copy.open("r+b") as file:
        file.truncate(1000)
    assert refusal(copy).startswith(f"{copy}: expected {size:,} bytes. Received: 1,000 bytes, a truncated file.")


def test_tampered(copy):
    with copy.open("r+b") as file:
        file.seek(-100, 2)
        byte = file.read(1)[0]
        file.seek(-100, 2)
        file.write(bytes([byte ^ 1]))
    message = refusal(copy)
    assert f"expected SHA-256 {hashlib.sha256(DEFAULT_MODEL.read_bytes()).hexdigest()}" in message
    assert f"Received: SHA-256 {hashlib.sha256(copy.read_bytes()).hexdigest()}, the file was changed." in message


def test_foreign_bytes_under_a_right_hash(copy):
    copy.write_bytes(b"not a network" * 100)
    fix_hash(copy)
    assert "expected a Keras model in HDF5. Received: OSError" in refusal(copy)


@pytest.mark.parametrize("engine", ["ncnn", "openvino", "tensorflow"])
def test_foreign_network_under_a_right_hash(copy, monkeypatch, engine):
    monkeypatch.setenv("EARLYMED_ENGINE", engine)
    inputs = keras.Input((8,))
    keras.Model(inputs, keras.layers.Dense(4)(inputs)).save(copy)
    with h5py.File(copy, "a") as file:
        file.attrs["earlymed_labels"] = list(LABELS)
    fix_hash(copy)
    size = json.loads(copy.with_name("model.json").read_text())["input_size"]
    expected = f"expected a network from {(None, size, size, 3)} to evidence, gate, mask, others, probabilities. "
    assert expected + "Received: one from (None, 8) to (None, 4)." in refusal(copy)


@pytest.mark.parametrize("engine", ["ncnn", "openvino", "tensorflow"])
def test_code_in_a_file_is_not_run(copy, monkeypatch, engine):
    """A Lambda layer holds pickled code; under a right hash it must still be refused, and not be called."""
    monkeypatch.setenv("EARLYMED_ENGINE", engine)
    size = json.loads(copy.with_name("model.json").read_text())["input_size"]
    inputs = keras.Input((size, size, 3))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(copy)
    with h5py.File(copy, "a") as file:
        file.attrs["earlymed_labels"] = list(LABELS)
    fix_hash(copy)
    message = refusal(copy)
    assert "expected a Keras model in HDF5. Received: ValueError" in message
    assert "Lambda" in message


def test_permuted_labels_in_model_json(copy):
    change_json(copy, labels=["glioma", "notumor", "meningioma", "pituitary"])
    message = refusal(copy)
    assert "expected the labels in the order glioma, meningioma, notumor, pituitary." in message
    assert "Received: glioma, notumor, meningioma, pituitary." in message


def test_permuted_labels_in_the_weights(copy):
    with h5py.File(copy, "a") as file:
        file.attrs["earlymed_labels"] = ["meningioma", "glioma", "notumor", "pituitary"]
    fix_hash(copy)
    assert "Received: meningioma, glioma, notumor, pituitary." in refusal(copy)


def test_other_preprocessing(copy):
    change_json(copy, preprocessing=99)
    assert "expected preprocessing version 1. Received: 99." in refusal(copy)


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (None, "no such file"),
        ("{", "JSONDecodeError"),
        ("[]", "a file without version, labels, sha256, size, input_size, temperature, uncertain_below, gate"),
        ('{"version": "1"}', "a file without labels, sha256"),
    ],
)
def test_bad_model_json(copy, content, received):
    facts = copy.with_name("model.json")
    facts.unlink()
    if content is not None:
        facts.write_text(content)
    message = refusal(copy)
    assert message.startswith(f"{facts}: expected the model's facts as JSON. Received: {received}")


def fake_network(probabilities, mask_value=0.0, gate=1.0, ct=-30.0, body=-30.0, several=-30.0):
    """An `infer` with the same answer for every slice; it keeps the batches it was given."""

    def infer(batch):
        infer.batches.append(batch.copy())
        n = len(batch)
        mask = np.zeros((n, 32, 32, 1), np.float32)
        mask[:, 8:16, 8:16] = mask_value
        return {
            "probabilities": np.tile(np.array(probabilities, np.float32), (n, 1)),
            "mask": mask,
            "evidence": np.ones((n, 4, 4, 4), np.float32),
            "gate": np.full((n, 8), gate, np.float32),
            "others": np.full((n, 3), (ct, body, several), np.float32),
        }

    infer.batches = []
    return infer


@pytest.fixture
def slices():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (64 + 8 * i, 64), np.uint8) for i in range(3)]


def test_answer_carries_label_probabilities_and_tumor(slices):
    infer = fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0)
    answer = Classifier(infer, INFO).predict(slices[:1])[0]
    assert (answer.status, answer.label, answer.uncertain) == ("ok", "meningioma", False)
    assert answer.probabilities == pytest.approx(dict(zip(LABELS, (0.1, 0.7, 0.1, 0.1), strict=True)), abs=1e-6)
    assert answer.tumor.box == (16, 16, 32, 32)
    assert answer.tumor.area_px == 256
    assert answer.tumor.area_fraction == pytest.approx(256 / 64**2)
    assert answer.in_distribution == pytest.approx(1 / (1 + 0.25**3))


def test_no_tumor_has_no_outline(slices):
    answer = Classifier(fake_network([0.1, 0.1, 0.7, 0.1], mask_value=0.9), INFO).predict(slices[:1])[0]
    assert (answer.label, answer.uncertain) == ("notumor", False)
    assert answer.tumor is None
    assert not answer.mask.any()


@pytest.mark.parametrize(("mask_value", "outlined"), [(0.9, True), (0.51, True), (0.49, False), (0.0, False)])
def test_an_uncertain_no_tumor_shows_where_the_mask_sees_one(slices, mask_value, outlined):
    infer = fake_network([0.2, 0.15, 0.5, 0.15], mask_value=mask_value)
    answer = Classifier(infer, INFO).predict(slices[:1])[0]
    assert (answer.label, answer.uncertain) == ("notumor", True)
    assert answer.mask.any() == outlined
    assert (answer.tumor is not None) == outlined
    if outlined:
        assert answer.tumor.box == pytest.approx((16, 16, 32, 32), abs=1)


def test_a_tumor_that_is_named_is_outlined_though_the_mask_is_faint(slices):
    faint, none = (Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=m), INFO) for m in (0.15, 0.05))
    assert faint.predict(slices[:1])[0].tumor.box == pytest.approx((16, 16, 32, 32), abs=1)
    assert none.predict(slices[:1])[0].tumor is None


def test_the_temperature_of_the_mask_counts(slices):
    """A ring of 0.15 around the tumor is outlined with it only where the mask is known to be too sure."""

    def infer(batch):
        given = fake_network([0.1, 0.7, 0.1, 0.1])(batch)
        given["mask"][:, 4:20, 4:20] = 0.15
        given["mask"][:, 8:16, 8:16] = 0.99
        return given

    plain, softer = (Classifier(infer, INFO | more).predict(slices[:1])[0] for more in ({}, {"mask_temperature": 3.0}))
    assert plain.tumor.box == pytest.approx((16, 16, 32, 32), abs=1)
    assert softer.tumor.box == pytest.approx((8, 8, 40, 40), abs=1)


def test_the_outline_has_its_say_in_whether_there_is_a_tumor(slices):
    """The class head says `notumor` with 0.7, the outline a tumor with 0.9: odds of 3 to 7 times 9 to 1."""
    info = INFO | {"outline_weight": 1.0}
    answer = Classifier(fake_network([0.1, 0.15, 0.7, 0.05], mask_value=0.9), info).predict(slices[:1])[0]
    assert answer.label == "meningioma"
    assert answer.probabilities["notumor"] == pytest.approx(7 / 34, abs=1e-4)
    assert answer.probabilities["meningioma"] == pytest.approx(27 / 34 / 2, abs=1e-4)
    assert answer.tumor.box == pytest.approx((16, 16, 32, 32), abs=1)


def test_the_offset_of_the_model_counts(slices):
    """Odds of a tumor 3 to 7, doubled."""
    info = INFO | {"tumor_offset": float(np.log(2))}
    answer = Classifier(fake_network([0.1, 0.15, 0.7, 0.05], mask_value=0.9), info).predict(slices[:1])[0]
    assert answer.probabilities["notumor"] == pytest.approx(7 / 13, abs=1e-4)


def test_low_confidence_is_uncertain(slices):
    assert Classifier(fake_network([0.55, 0.15, 0.15, 0.15]), INFO).predict(slices[:1])[0].uncertain


def test_far_features_are_refused_without_a_label(slices):
    answer = Classifier(fake_network([0.97, 0.01, 0.01, 0.01], gate=3.0), INFO).predict(slices[:1])[0]
    assert answer.status == "refused"
    assert answer.label is None and answer.probabilities is None and answer.evidence is None
    assert answer.in_distribution < 0.5
    assert answer.reason.startswith("This does not look like the brain MRI slices")


@pytest.mark.parametrize(
    ("gate", "ct", "reason"), [(1.4, -9.0, None), (1.42, -9.0, UNLIKE), (1.99, -9.0, UNLIKE), (1.99, 9.0, LOOKS_LIKE_CT)]
)
def test_the_answer_for_what_is_unlike_nearly_all_that_is_known_is_uncertain_and_says_why(slices, gate, ct, reason):
    """Squared distances of 1.96 and 2.02 where more than 2 is doubtful, and 3.96 where more than 4 is refused."""
    infer = fake_network([0.01, 0.97, 0.01, 0.01], mask_value=1.0, gate=gate, ct=ct)
    answer = Classifier(infer, INFO).predict(slices[:1])[0]
    assert (answer.status, answer.label, answer.uncertain) == ("ok", "meningioma", reason is not None)
    assert answer.reason == reason
    assert answer.tumor is not None


def test_a_model_that_does_not_tell_what_is_doubtful_doubts_nothing_that_it_answers(slices):
    info = INFO | {"gate": {name: value for name, value in INFO["gate"].items() if name != "doubtful"}}
    answer = Classifier(fake_network([0.01, 0.97, 0.01, 0.01], gate=1.99), info).predict(slices[:1])[0]
    assert (answer.status, answer.uncertain, answer.reason) == ("ok", False, None)


@pytest.mark.parametrize("odds, ct", ((-2.1, False), (-1.9, True), (9.0, True)))
def test_the_answer_for_what_looks_like_ct_is_uncertain_and_says_why(slices, odds, ct):
    answer = Classifier(fake_network([0.01, 0.97, 0.01, 0.01], mask_value=1.0, ct=odds), INFO).predict(slices[:1])[0]
    assert (answer.status, answer.label, answer.uncertain) == ("ok", "meningioma", ct)
    assert answer.probabilities["meningioma"] == pytest.approx(0.97)
    assert answer.tumor is not None
    reason = "This looks like computed tomography (CT). The classifier knows MRI alone, so its answer means nothing here."
    assert answer.reason == (reason if ct else None)
    assert answer.record("a.png", 0, "m").get("reason") == answer.reason


@pytest.mark.parametrize(
    ("odds", "reason"),
    [
        ({"body": -1.1, "several": 0.9}, None),
        ({"body": -0.9}, NOT_BRAIN_MRI),
        ({"several": 1.1}, SEVERAL_SLICES),
        ({"several": 1.1, "ct": 9.0}, SEVERAL_SLICES),
        ({"body": -0.9, "several": 1.1}, NOT_BRAIN_MRI),
        ({"several": 1.1, "gate": 3.0}, NOT_BRAIN_MRI),
    ],
)
def test_another_part_of_the_body_and_several_slices_are_refused_with_the_reason(slices, odds, reason):
    answer = Classifier(fake_network([0.97, 0.01, 0.01, 0.01], **odds), INFO).predict(slices[:1])[0]
    assert (answer.status, answer.reason) == ("refused" if reason else "ok", reason)
    assert (answer.in_distribution < 0.5) == (answer.label is None) == bool(reason)


def test_what_is_no_head_at_all_is_not_called_ct(slices):
    answer = Classifier(fake_network([0.97, 0.01, 0.01, 0.01], gate=3.0, ct=9.0), INFO).predict(slices[:1])[0]
    assert answer.status == "refused"
    assert answer.reason.startswith("This does not look like the brain MRI slices")


def test_colored_picture_is_refused_whatever_the_network_says():
    color = np.zeros((64, 64, 3), np.uint8)
    color[:32, :, 0] = 250
    color[32:, :, 2] = 200
    answer = Classifier(fake_network([0.97, 0.01, 0.01, 0.01]), INFO).predict([color])[0]
    assert answer.status == "refused"
    assert answer.reason == "The image is in color (100% of its pixels); an MRI slice is gray."
    assert answer.in_distribution < 0.5


def test_batches_keep_the_order_and_inputs_are_not_changed(slices):
    infer = fake_network([0.7, 0.1, 0.1, 0.1])
    many = slices * 7
    before = [s.copy() for s in many]
    answers = Classifier(infer, INFO).predict(many)
    assert [len(b) for b in infer.batches] == [16, 5]
    assert [a.mask.shape for a in answers] == [s.shape for s in many]
    assert all(np.array_equal(a, b) for a, b in zip(many, before, strict=True))
    assert infer.batches[0].shape[1:] == (64, 64, 3)
    assert np.array_equal(infer.batches[0][..., 0], infer.batches[0][..., 2])


def test_no_slices_no_answers():
    assert Classifier(fake_network([1, 0, 0, 0]), INFO).predict([]) == []


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, [0.8, 0.1, 0.05, 0.05]), (2.0, [0.5186, 0.1834, 0.1297, 0.1297])])
def test_calibrate_softens_with_temperature_and_sums_to_one(temperature, expected):
    calibrated = calibrate(np.array([0.8, 0.1, 0.05, 0.05]), temperature)
    assert calibrated.sum() == pytest.approx(1.0)
    raised = np.array([0.8, 0.1, 0.05, 0.05]) ** (1 / temperature)
    assert calibrated == pytest.approx(raised / raised.sum(), abs=1e-9)
    assert calibrated[0] == pytest.approx(expected[0], abs=0.03)
