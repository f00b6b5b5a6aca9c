"""From the layers in a file to an engine's graph: what is translated, and that everything else is told."""

import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from model.classifier import DEFAULT_MODEL
from model.engines import ncnn_engine, ncnn_graph, openvino_engine, openvino_graph
from model.engines.network_file import ModelFileError, read_network
from model.training.export import save_half

GRAPHS = {"ncnn": ncnn_graph, "openvino": openvino_graph}
of_each = pytest.mark.parametrize("engine", GRAPHS)


def graph_of(path: Path, engine: str):
    with h5py.File(path) as file:
        return GRAPHS[engine].build(read_network(file))


def test_layers_with_other_arguments_are_translated_too(tmp_path):
    """Strides, dilation, odd sides, no bias, no padding, sigmoid: what the network may come to use."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((11, 14, 3))
    x = layers.Conv2D(6, (3, 2), strides=(2, 1), padding="same", use_bias=False, activation="sigmoid")(inputs)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.UpSampling2D((2, 3), interpolation="bilinear")(layers.Dropout(0.5)(x))
    y = layers.Rescaling(0.5, offset=0.25)(layers.Conv2D(6, 3, dilation_rate=2, padding="same")(x))
    x = layers.Softmax(axis=2)(layers.Concatenate(axis=1)([x, y]))
    x = layers.Reshape((-1, 12))(x)
    x = layers.Dense(3, activation="relu")(x)
    network = keras.Model(inputs, {"a": layers.UnitNormalization()(x), "b": layers.GlobalAveragePooling2D()(y)})
    network.save(tmp_path / "other.h5")
    images = np.random.default_rng(2).random((2, 11, 14, 3), np.float32)
    expected = network.predict_on_batch(images)
    graph = graph_of(tmp_path / "other.h5", "openvino")
    request = openvino_engine.openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for received, wanted in zip(request([images]).values(), (expected["a"], expected["b"]), strict=True):
        assert received.shape == wanted.shape
        assert received == pytest.approx(wanted, abs=1e-5)


# --- what is not translated


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.LayerNormalization(), "Expected layers of the kinds Conv2D, .* Received: LayerNormalization"),
        (layers.Conv2D(4, 3, groups=2, name="c"), "c: expected groups=1. Received: 2"),
        (layers.UpSampling2D(2, name="u"), "u: expected interpolation='bilinear'. Received: 'nearest'"),
        (layers.Dense(4, activation="gelu", name="d"), "d: expected one of linear, relu, sigmoid .* Received: 'gelu'"),
        (layers.MaxPooling2D(2, data_format="channels_first", name="p"), "p: expected data_format='channels_last'. "),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
@of_each
def test_layer_that_is_not_translated_is_told(tmp_path, layer, message, engine):
    inputs = keras.Input((8, 8, 4))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "other.h5")
    with pytest.raises(ValueError, match=message):
        graph_of(tmp_path / "other.h5", engine)


ONLY_NCNN = [
    (layers.Conv2D(4, (3, 1), name="c"), "c: expected a square kernel. Received: 3 x 1"),
    (layers.Conv2D(4, 3, strides=2, name="c"), r"c: expected strides=\[1, 1\]. Received: \[2, 2\]"),
    (layers.MaxPooling2D(3, name="p"), r"p: expected pool_size=\[2, 2\]. Received: \[3, 3\]"),
    (
        layers.Reshape((64, 4), name="r"),
        r"r: expected a shape of two or three dimensions with one channel. Received: \(64, 4\)",
    ),
    (layers.Softmax(axis=1, name="s"), r"s: expected all values of a slice. Received: axis 1 of \(8, 8, 4\)"),
    (layers.UnitNormalization(name="n"), r"n: expected a value of one dimension. Received: \(8, 8, 4\)"),
    (layers.Rescaling(2.0, offset=1.0, name="r"), "r: expected offset=0.0. Received: 1.0"),
]


@pytest.mark.parametrize(("layer", "message"), ONLY_NCNN, ids=lambda value: value if isinstance(value, str) else "")
def test_what_only_openvino_translates_is_told_by_ncnn(tmp_path, layer, message):
    inputs = keras.Input((8, 8, 4))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "other.h5")
    graph_of(tmp_path / "other.h5", "openvino")
    with pytest.raises(ValueError, match=message):
        graph_of(tmp_path / "other.h5", "ncnn")


def test_ncnn_reads_weights_of_any_length_and_of_both_precisions(tmp_path):
    """Odd numbers of weights, which ncnn wants filled to four bytes; kernels without padding and without bias."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((20, 20, 3))
    x = layers.Conv2D(5, 3, use_bias=False, activation="relu")(inputs)
    x = layers.Conv2D(3, 1, activation="sigmoid")(x)
    x = layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, {"a": layers.Dense(3)(x), "b": layers.Softmax()(layers.Dense(5, activation="relu")(x))})
    for layer in network.layers:
        if layer.weights:
            layer.set_weights([w.astype(np.float16).astype(np.float32) + 0.0 for w in layer.get_weights()])
    network.save(tmp_path / "single.h5")
    save_half(network, tmp_path / "half.h5")
    image = np.random.default_rng(6).random((20, 20, 3), np.float32)
    expected = network.predict_on_batch(image[None])
    for name in ("single.h5", "half.h5"):
        net = ncnn_engine.ncnn.Net()
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        with h5py.File(tmp_path / name) as file:
            graph, results = ncnn_graph.build(read_network(file))
            assert net.load_param_mem(graph.text()) == 0
            assert net.load_model(ncnn_engine.Weights(weights() for weights in graph.weights)) == 0
        extractor = net.create_extractor()
        channels = np.ascontiguousarray(image.transpose(2, 0, 1))  # read in place, so it has to stay
        extractor.input(net.input_names()[0], ncnn_engine.ncnn.Mat(channels))
        for output, result in results.items():
            failed, value = extractor.extract(result)
            assert failed == 0
            assert np.array(value) == pytest.approx(expected[output][0], abs=1e-5)


@pytest.fixture
def small_file(tmp_path) -> Path:
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, layers.Conv2D(4, 3, padding="same")(inputs)).save(tmp_path / "small.h5")
    return tmp_path / "small.h5"


def test_weights_that_end_too_soon_are_an_error_and_no_crash(small_file):
    with h5py.File(small_file) as file:
        graph, _ = ncnn_graph.build(read_network(file))
        for parts, complete in ((graph.weights, True), (graph.weights[:-1], False)):
            net = ncnn_engine.ncnn.Net()
            assert net.load_param_mem(graph.text()) == 0
            assert (net.load_model(ncnn_engine.Weights(part() for part in parts)) == 0) == complete


def test_weights_that_cannot_be_read_are_told(monkeypatch):
    def damaged(*_):
        raise OSError("filter returned failure during read")

    monkeypatch.setattr(ncnn_graph.Layer, "weight", damaged)
    with pytest.raises(ModelFileError, match="Received: OSError: filter returned failure during read"):
        ncnn_engine.load(DEFAULT_MODEL, json.loads(DEFAULT_MODEL.with_name("model.json").read_text())["input_size"])


@of_each
def test_layer_that_is_called_twice_is_told(tmp_path, engine):
    inputs, twice = keras.Input((8,)), layers.Dense(8, name="twice")
    keras.Model(inputs, twice(twice(inputs))).save(tmp_path / "other.h5")
    with pytest.raises(ValueError, match=r"Expected each layer to be called once\. Received: 2 calls of twice"):
        graph_of(tmp_path / "other.h5", engine)


@of_each
def test_sequential_model_is_told(tmp_path, engine):
    keras.Sequential([keras.Input((8,)), layers.Dense(2)]).save(tmp_path / "other.h5")
    with pytest.raises(ValueError, match=r"Expected a functional model\. Received: Sequential"):
        graph_of(tmp_path / "other.h5", engine)
