"""The loader's refusals, on copies of the real files."""

import hashlib
import json
import shutil
from pathlib import Path

import h5py
import keras
import pytest

from model.classifier import DEFAULT_MODEL, Classifier, ModelFileError
from model.engines.network_file import REPAIR
from model.labels import LABELS


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
