"""What is fitted around trained weights, and the files that it is written to."""

import hashlib
import json

import h5py
import keras
import numpy as np
import pytest

from model.classifier import Classifier
from model.engines import keras_engine
from model.engines.network_file import CLASSIFIER, CLOSEUP
from model.gate import OTHERS, squared_distance
from model.labels import LABELS
from model.preprocessing import preprocess
from model.training import closeups, imitated_bodies, imitated_ct, imitated_several
from model.training.dataset import assign, build_manifest
from model.training.export import (
    GATE_SLACK,
    SLACK,
    Closeup,
    export,
    fit_mask_temperature,
    gate_facts,
    log_odds,
    mean_dice,
    outputs,
    save_half,
    version_of,
    whitening,
    write_half,
)
from model.training.network import build
from synthetic import head, write_tree


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    data = write_tree(folder / "data")
    split = assign(build_manifest(data, workers=1), "official", seed=2)
    split["validation"] = split["train"][::2]
    keras.utils.set_random_seed(1)
    full = build(64, None)
    trained = keras.Model(full.input, {k: full.output[k] for k in ("probabilities", "mask")})
    info = export(trained, data, split, folder, folder / "out" / "model.h5", {"protocol": "official"})
    return folder / "out", info, full, split


def test_model_json_describes_the_file_beside_it(exported):
    folder, info, _, split = exported
    content = (folder / "model.h5").read_bytes()
    assert info == json.loads((folder / "model.json").read_text())
    assert info["sha256"] == hashlib.sha256(content).hexdigest()
    assert info["size"] == len(content) < 40_000_000
    assert info["labels"] == list(LABELS)
    assert info["input_size"] == 64
    assert 1.0 <= info["mask_temperature"] <= 2.5
    assert {"block1_conv2", "block5_conv3", "class_hidden"} < set(info["int8_ranges"])
    assert info["training"]["slices"]["train"]["kaggle/glioma"] == sum(i.label == "glioma" for i in split["train"])
    assert sorted(p.name for p in folder.iterdir()) == ["model.h5", "model.json"]


def test_the_side_that_is_served_may_be_another_than_that_of_training(exported):
    folder, _, full, split = exported
    trained = keras.Model(full.input, {k: full.output[k] for k in ("probabilities", "mask")})
    out = folder.parent / "larger" / "model.h5"
    info = export(trained, folder.parent / "data", split, folder.parent, out, {"protocol": "official"}, size=80)
    assert info["input_size"] == 80
    for layer in ("block3_conv2", "evidence"):
        served = keras.saving.load_model(out, compile=False).get_layer(layer).get_weights()
        for ours, theirs in zip(served, full.get_layer(layer).get_weights(), strict=True):
            assert np.array_equal(ours, theirs.astype(np.float16).astype(np.float32))
    assert Classifier.load(out).predict([head(3)[0]])[0].status in ("ok", "refused")


def test_the_file_says_nothing_that_only_the_newest_keras_understands(exported):
    with h5py.File(exported[0] / "model.h5") as file:
        config = file.attrs["model_config"]
    assert '"name": "block5_conv3"' in config
    assert "initializer" not in config and "regularizer" not in config


def test_weights_are_float16_without_an_optimizer(exported):
    kinds = set()
    with h5py.File(exported[0] / "model.h5") as file:
        file.visititems(lambda _, node: kinds.add(node.dtype.name) if isinstance(node, h5py.Dataset) else None)
        assert list(file) == ["model_weights"]
    assert kinds == {"float16"}


def test_plain_keras_loads_it_with_the_trained_weights(exported):
    folder, _, trained, _ = exported
    loaded = keras.saving.load_model(folder / "model.h5", compile=False)
    for name in ("block5_conv3", "class_hidden", "mask_conv2"):
        expected = trained.get_layer(name).get_weights()[0].astype(np.float16)
        assert np.array_equal(loaded.get_layer(name).get_weights()[0], expected), name
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}


def test_the_classifier_loads_it_and_knows_training_slices(exported):
    classifier = Classifier.load(exported[0] / "model.h5")
    slices = [head(seed, tumor=True)[0] for seed in range(1, 4)]
    answers = classifier.predict(slices)
    assert [a.status for a in answers] == ["ok"] * 3
    assert sum(answers[0].probabilities.values()) == pytest.approx(1.0)
    photo = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    assert classifier.predict([photo])[0].status == "refused"


def test_the_file_tells_imitations_from_slices(exported):
    folder, *_ = exported
    loaded = keras.saving.load_model(folder / "model.h5", compile=False)
    mri = np.stack([np.round(255 * preprocess(head(seed)[0], 64)[0]).astype(np.uint8) for seed in range(1, 9)])
    known = outputs(loaded, mri, ["others"])["others"]
    made = {
        "ct": imitated_ct.imitations(mri),
        "body": imitated_bodies.imitations(mri, 8),
        "several": imitated_several.imitations(mri, 8),
    }
    for column, name in enumerate(OTHERS):
        assert known[:, column].max() < outputs(loaded, made[name], ["others"])["others"][:, column].min(), name


def test_the_network_of_the_close_up_goes_into_the_same_file(exported, tmp_path):
    """Keras goes on reading the classifier from it, as if it were not there."""
    folder, info, full, split = exported
    keras.utils.set_random_seed(5)
    network, facts, ranges = closeups.build(32, 1.5), {"side": 32, "temperature": 1.2}, {"mask": {"most": 2.0}}
    trained = keras.Model(full.input, {k: full.output[k] for k in ("probabilities", "mask")})
    out, part = tmp_path / "model.h5", tmp_path / "part.h5"
    closeup = Closeup(lambda group: write_half(network, group, part), facts, ranges)
    told = export(trained, folder.parent / "data", split, folder.parent, out, {}, closeup=closeup)
    assert told["closeup"] == facts
    assert CLOSEUP.ranges_of(told["int8_ranges"]) == ranges
    assert CLASSIFIER.ranges_of(told["int8_ranges"]).keys() == info["int8_ranges"].keys()
    assert "closeup" not in info and Closeup.of(folder / "model.h5", info) is None
    with h5py.File(out) as file:
        assert sorted(file) == ["closeup", "model_weights"]
        kinds = set()
        file["closeup"].visititems(lambda _, n: kinds.add(n.dtype.name) if isinstance(n, h5py.Dataset) else None)
        assert kinds == {"float16"}
        assert "initializer" not in file["closeup"].attrs["model_config"]
    loaded = keras.saving.load_model(out, compile=False)
    assert loaded.output.keys() == {"probabilities", "mask", "evidence", "gate", "others"}
    kept = keras_engine.read(out, CLOSEUP)
    for layer in network.layers:
        for ours, theirs in zip(layer.get_weights(), kept.get_layer(layer.name).get_weights(), strict=True):
            assert np.array_equal(theirs, ours.astype(np.float16).astype(np.float32))
    assert Classifier.load(out).predict([head(3)[0]])[0].status in ("ok", "refused")


def test_whitened_features_are_uncorrelated_with_unit_variance():
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(4000, 6)) @ rng.normal(size=(6, 6)) + 5).astype(np.float32)
    kernel, bias = whitening(features)
    white = features @ kernel + bias
    assert white.mean(axis=0) == pytest.approx(np.zeros(6), abs=1e-2)
    assert np.cov(white.T) == pytest.approx(np.eye(6), abs=5e-2)
    assert squared_distance(white).mean() == pytest.approx(1.0, abs=2e-2)


def test_whitening_of_few_slices_is_shrunk_so_that_new_ones_are_not_far():
    """Of as many features as slices, the plain covariance has next to no variance left in some direction."""
    rng = np.random.default_rng(0)
    seen, new = rng.normal(size=(2, 60, 50)).astype(np.float32)
    kernel, bias = whitening(seen)
    assert squared_distance(new @ kernel + bias).mean() == pytest.approx(1.0, abs=0.2)


def test_gate_doubts_one_percent_of_validation_and_refuses_what_lies_further_than_its_slack():
    distance = np.random.default_rng(0).chisquare(8, 5000) / 8
    odds = np.random.default_rng(1).normal((-6, -4, -2), 1, (5000, 3))
    facts = gate_facts(distance, odds)
    assert (distance > facts["doubtful"]).mean() == pytest.approx(0.01, abs=0.002)
    assert facts["threshold"] == pytest.approx(GATE_SLACK * facts["doubtful"], rel=1e-4)
    score = 1 / (1 + (np.median(distance) / facts["threshold"]) ** facts["sharpness"])
    assert score == pytest.approx(0.95, abs=0.005)
    assert list(facts["others"]) == list(SLACK) == list(OTHERS)
    for column, name in enumerate(OTHERS):
        assert (odds[:, column] > facts["others"][name] - SLACK[name]).mean() == pytest.approx(0.001, abs=0.0002)


def test_log_odds_are_those_of_the_kinds_whatever_their_number():
    """Of two kinds a distance of 3 apart along one axis, the log-odds rise along it and are nil in the middle."""
    rng = np.random.default_rng(2)
    brain, other = rng.normal(size=(4000, 5)), rng.normal(size=(500, 5)) + np.array([3, 0, 0, 0, 0])
    weights, offset = log_odds(brain, other)
    assert weights.shape == (5, 1) and offset.shape == (1,)
    assert weights[0, 0] > 1.0 and np.abs(weights[1:]).max() < 0.1 * weights[0, 0]
    assert -offset[0] / weights[0, 0] == pytest.approx(1.5, abs=0.1)


def test_mask_temperature_is_the_one_with_the_highest_dice():
    """Half of each tumor is too faint to be outlined when the mask is taken at its word, which makes too little of it."""
    masks = np.zeros((3, 64, 64), np.uint8)
    masks[:2, 16:48, 16:48] = 255
    predicted = np.full((3, 32, 32), 1e-5, np.float32)
    predicted[:2, 8:24, 8:16], predicted[:2, 8:24, 16:24] = 0.99, 0.3
    has_mask = np.array([True, True, False])
    assert mean_dice(predicted, masks, has_mask, 1.0) == pytest.approx(2 / 3)
    temperature = fit_mask_temperature(predicted, masks, has_mask)
    assert 1.5 < temperature < 2.5
    assert mean_dice(predicted, masks, has_mask, temperature) == 1.0
    assert mean_dice(predicted, masks, has_mask, temperature - 0.1) < 1.0
    assert fit_mask_temperature(masks[:, ::2, ::2] / 255, masks, has_mask) == 1.0  # of equals, as it is
    assert fit_mask_temperature(predicted, masks, np.zeros(3, bool)) == 1.0


def test_models_of_one_version_have_the_same_thresholds():
    info = {"sha256": "a", "temperature": 1.2, "gate": {"threshold": 2.6, "others": {"ct": -2.2}}, "figures": {}}
    others = ({"sha256": "b"}, {"temperature": 1.3}, {"gate": info["gate"] | {"doubtful": 1.9}}, {"closeup": {"side": 96}})
    assert version_of(info) == version_of(info | {"figures": {"testing": {}}, "training": {}, "version": "1.2"})
    assert len({version_of(info), *(version_of(info | other) for other in others)}) == 5


def test_a_model_stays_until_the_next_one_is_written(tmp_path, monkeypatch):
    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="small")])
    path = tmp_path / "model.h5"
    save_half(small, path)
    before = path.read_bytes()
    assert keras.saving.load_model(path, compile=False).get_layer("small").units == 2

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        save_half(small, path, full)
    monkeypatch.setattr(small, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save_half(small, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
