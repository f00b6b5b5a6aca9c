"""The close-up's network in model.h5: what the file holds of it, and what engines make of that."""

import json

import h5py
import keras
import numpy as np
import pytest

from model import engines
from model.classifier import DEFAULT_MODEL
from model.engines import keras_engine, ncnn_engine, openvino_engine
from model.engines.network_file import CHANGE, CLASSIFIER, CLOSEUP, ModelFileError, weight_paths
from model.engines.processor import computes_int8
from model.training.closeups import begin, build, trunk
from model.training.export import halved, save_half
from model.training.low_rank import reduce_changes, write_changed
from model.training.network import build as build_classifier

SIDE = 32


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """A model.h5 with a close-up's network of random weights, some of them the classifier's and changed, and that network."""
    keras.utils.set_random_seed(3)
    classifier, network = build_classifier(64, None), build(SIDE, 1.8)
    for layer in classifier.layers:
        layer.set_weights([halved(weights) for weights in layer.get_weights()])
    begin(network, classifier)
    deep, last = network.get_layer("block5_conv2"), network.get_layer("mask")
    kernel, bias = deep.get_weights()
    deep.set_weights([kernel + np.random.default_rng(2).normal(0, 0.02, kernel.shape), bias])
    last.set_weights([w + np.random.default_rng(w.size).normal(0, 0.5, w.shape) for w in last.get_weights()])
    changes = reduce_changes(network, classifier, trunk(network), rank=8)
    path = tmp_path_factory.mktemp("closeup") / "model.h5"
    part = path.with_name("part.h5")
    save_half(classifier, path, lambda group: write_changed(network, trunk(network), changes, group, part))
    return path, network


@pytest.mark.parametrize("engine", [keras_engine, ncnn_engine, openvino_engine], ids=lambda engine: engine.__name__)
def test_every_engine_gives_the_outline_of_keras(network_file, engine):
    path, network = network_file
    views = np.random.default_rng(1).random((3, SIDE, SIDE, 2), np.float32)
    expected = network.predict_on_batch(views)["mask"]
    received = engine.load(path, SIDE, part=CLOSEUP)(views)
    assert set(received) == {"mask"}
    assert np.ptp(expected) > 0.1
    assert received["mask"] == pytest.approx(expected, abs=1e-5)


def test_the_file_holds_the_weights_that_both_networks_share_once(network_file):
    """Of the close-up's trunk it holds what was changed, as two small matrices, and the biases; Keras reads the classifier."""
    path, network = network_file
    with h5py.File(path) as file:
        closeup = file["closeup"]
        shared = [name for name in closeup["model_weights"] if name.startswith("block") and name in trunk(network)]
        assert len(shared) == 12
        for name in shared:
            paths = weight_paths(closeup["model_weights"][name])
            link = closeup[f"model_weights/{name}"].get(paths["kernel"], getlink=True)
            assert link.path == f"/model_weights/{name}/{weight_paths(file['model_weights'][name])['kernel']}"
            assert not isinstance(closeup[f"model_weights/{name}"].get(paths["bias"], getlink=True), h5py.SoftLink)
        assert [name for name in shared if CHANGE[0] in closeup["model_weights"][name]] == ["block5_conv2"]
        assert [closeup["model_weights/block5_conv2"][part].shape for part in CHANGE] == [(9 * 512, 8), (8, 512)]
    classifier = keras.saving.load_model(path, compile=False)
    for name in trunk(network):
        same = np.array_equal(classifier.get_layer(name).get_weights()[0], network.get_layer(name).get_weights()[0])
        assert same == (name != "block5_conv2"), name
    kept = keras_engine.read(path, CLOSEUP)
    for layer in network.layers:
        for ours, theirs in zip(layer.get_weights(), kept.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_allclose(theirs, ours, atol=1e-6, err_msg=layer.name)


@pytest.mark.parametrize(
    ("engine", "ranges", "expected"),
    [
        ("openvino", {"closeup/mask": {"most": 2.0}}, (False, None)),
        ("openvino-bf16", {}, (True, None)),
        ("openvino-int8", {"mask": {"most": 1.0}, "closeup/mask": {"most": 2.0}}, (False, {"mask": {"most": 2.0}})),
        ("openvino-int8", {"mask": {"most": 1.0}}, (False, {})),  # of an older model: in float32
    ],
)
def test_it_computes_as_the_classifier_does_within_ranges_of_its_own(monkeypatch, engine, ranges, expected):
    made = []
    monkeypatch.setattr(openvino_engine, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(engines, "computes_int8", lambda: True)
    monkeypatch.setattr(openvino_engine, "load", lambda *args: made.append(args[3:6]))
    engines.load(DEFAULT_MODEL, SIDE, engine, info={"version": "1.2", "int8_ranges": ranges}, part=CLOSEUP)
    assert made == [(*expected, CLOSEUP)]


def test_each_part_of_the_file_has_its_own_ranges():
    told = {"mask": "a", "block1_conv2": "b", "closeup/mask": "c"}
    assert CLASSIFIER.ranges_of(told) == {"mask": "a", "block1_conv2": "b"}
    assert CLOSEUP.ranges_of(told) == {"mask": "c"}
    assert CLOSEUP.with_ranges(told, {"last": "d"}) == {"mask": "a", "block1_conv2": "b", "closeup/last": "d"}
    assert CLASSIFIER.with_ranges(told, {"mask": "e"}) == {"mask": "e", "closeup/mask": "c"}


def test_the_served_ones_in_eight_bits_are_like_those_in_float32():
    """What is loaded is the project's own model.h5; a tumor that is outlined in one is outlined in the other."""
    if not computes_int8():
        pytest.skip("this processor has no instructions for 8 bits")
    info = json.loads(DEFAULT_MODEL.with_name("model.json").read_text())
    side = info["closeup"]["side"]
    y, x = np.mgrid[:side, :side] / side - 0.5
    gray = np.where(np.hypot(x, y) < 0.2, 0.9, 0.3) + 0.05 * np.random.default_rng(0).random((side, side))
    seen = np.stack([gray, np.where(np.hypot(x, y) < 0.2, 0.7, 0.1)], axis=-1).astype(np.float32)[None]
    whole, rounded = (
        engines.load(DEFAULT_MODEL, side, engine, info=info, part=CLOSEUP)(seen)["mask"]
        for engine in ("openvino", "openvino-int8")
    )
    assert 0.02 < (whole > 0.5).mean() < 0.3
    assert 0.0 < np.abs(whole - rounded).mean() < 0.01


@pytest.mark.parametrize("engine", [keras_engine, ncnn_engine, openvino_engine], ids=lambda engine: engine.__name__)
def test_a_file_without_it_or_of_another_size_is_told(network_file, tmp_path, engine):
    path, _ = network_file
    with pytest.raises(ModelFileError, match=r"expected a network from \(None, 64, 64, 2\) to mask. Received: one from"):
        engine.load(path, 64, part=CLOSEUP)
    with h5py.File(path) as file, h5py.File(tmp_path / "without.h5", "w") as other:
        other.attrs.update(file.attrs)
        file.copy("model_weights", other)
    with pytest.raises(ModelFileError, match=r"expected a Keras model in HDF5\. Received: KeyError"):
        engine.load(tmp_path / "without.h5", SIDE, part=CLOSEUP)
