"""OpenVINO gives Keras' answers, layer by layer, from several threads too; what it cannot translate is told."""

import json
import threading
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from model import engines
from model.classifier import DEFAULT_MODEL, Classifier
from model.engines import keras_engine, openvino_engine, openvino_graph
from model.engines.network_file import OUTPUTS, read_network
from model.reading import read
from model.training.export import save_half
from model.training.network import build, with_gate

ROOT = Path(__file__).parents[1]
SAMPLES = sorted((ROOT / "tests" / "samples").glob("*.jpg"))
INFO = json.loads(DEFAULT_MODEL.with_name("model.json").read_text())
VERDICTS = engines.verdicts(INFO)
BFLOAT16 = openvino_engine.computes_bfloat16()
needs_bfloat16 = pytest.mark.skipif(not BFLOAT16, reason="this processor does not compute bfloat16")


# --- the same answers


@pytest.fixture(scope="module")
def answers():
    """The answers of each engine for every sample, each engine asked once."""
    slices = [read(path.read_bytes())[0] for path in SAMPLES]
    asked = {}

    def answers(engine: str):
        if engine not in asked:
            asked[engine] = Classifier.load(engine=engine).predict(slices)
        return asked[engine]

    return answers


def test_samples_get_the_answers_of_keras(answers):
    """Class, uncertainty, refusal and outline are the same, and probabilities to five digits."""
    for ours, theirs in zip(answers("openvino"), answers("tensorflow"), strict=True):
        assert (ours.status, ours.label, ours.uncertain) == (theirs.status, theirs.label, theirs.uncertain)
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-5)
        assert ours.in_distribution == pytest.approx(theirs.in_distribution, abs=1e-5)
        assert (ours.mask != theirs.mask).sum() <= 2  # a place on the very level of the outline may fall on either side
        assert np.abs(ours.evidence - theirs.evidence).max() <= 2e-5 * np.abs(theirs.evidence).max()


SPECK = 0.001  # of the slice


@needs_bfloat16
def test_bfloat16_stays_near(answers):
    """Probabilities within some hundredths. What that is worth, scripts/sameness.py tells."""
    for ours, theirs in zip(answers("openvino-bf16"), answers("tensorflow"), strict=True):
        assert ours.status == theirs.status
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=0.05)


@needs_bfloat16
@pytest.mark.skipif(
    not VERDICTS.get("openvino-bf16"), reason="too far from Keras with these weights, as scripts/sameness.py found"
)
def test_outlines_by_bfloat16_are_all_but_the_same(answers):
    """Where bfloat16 may answer unasked, that is.

    All but a speck: where a thousandth of the slice is outlined, as in the known failure of test_golden.py, the mask is at its
    level all over, and a hair's breadth makes the speck larger or smaller.
    """
    for ours, theirs in zip(answers("openvino-bf16"), answers("tensorflow"), strict=True):
        differing = (ours.mask != theirs.mask).sum()
        assert differing <= (SPECK * theirs.mask.size if theirs.mask.mean() < SPECK else 8 + 0.03 * theirs.mask.sum())


@needs_bfloat16
def test_bfloat16_is_really_used(answers):
    """Its answers are near the others, not equal to the last digit."""
    pairs = zip(answers("openvino-bf16"), answers("openvino"), strict=True)
    assert max(abs(a.probabilities[label] - b.probabilities[label]) for a, b in pairs for label in a.probabilities) > 1e-5


@pytest.fixture(scope="module")
def network_file(tmp_path_factory) -> Path:
    """The network that training builds, of 64 pixels, with random weights, as it is exported."""
    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("network") / "model.h5"
    network = with_gate(build(64, None))
    for layer in network.layers:
        if layer.weights:  # random biases too
            layer.set_weights([w + np.random.default_rng(w.size).normal(0, 0.02, w.shape) for w in layer.get_weights()])
    save_half(network, path)
    return path


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).random((5, 64, 64, 3), np.float32)


def test_every_output_of_a_trained_networks_layers_is_that_of_keras(network_file, images):
    """Also with channels that differ, and places of which none is like another."""
    expected = keras_engine.load(network_file, 64)(images)
    received = openvino_engine.load(network_file, 64)(images)
    assert set(received) == OUTPUTS
    for name in OUTPUTS:
        assert received[name].dtype == np.float32
        assert received[name].shape == expected[name].shape
        assert np.ptp(expected[name]) > 1e-3, name
        assert np.abs(received[name] - expected[name]).max() <= 2e-5 * np.abs(expected[name]).max(), name


def test_one_slice_gets_the_same_answer_alone(network_file, images):
    infer = openvino_engine.load(network_file, 64)
    together = infer(images)
    for i in range(len(images)):
        alone = infer(images[i : i + 1])
        assert all(np.array_equal(alone[name][0], together[name][i]) for name in OUTPUTS)


def test_threads_do_not_mix_their_answers(network_file, images):
    infer = openvino_engine.load(network_file, 64, threads=1)
    expected = [infer(images[i : i + 1])["gate"] for i in range(len(images))]
    wrong = []

    def ask(i: int) -> None:
        for _ in range(10):
            if not np.array_equal(infer(images[i : i + 1])["gate"], expected[i]):
                wrong.append(i)

    workers = [threading.Thread(target=ask, args=(i,)) for i in range(len(images))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert not np.array_equal(expected[0], expected[1])


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
    graph = graph_of(tmp_path / "other.h5")
    request = openvino_engine.openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for received, wanted in zip(request([images]).values(), (expected["a"], expected["b"]), strict=True):
        assert received.shape == wanted.shape
        assert received == pytest.approx(wanted, abs=1e-5)


# --- what is not translated


def graph_of(path: Path):
    with h5py.File(path) as file:
        return openvino_graph.build(read_network(file))


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
def test_layer_that_is_not_translated_is_told(tmp_path, layer, message):
    inputs = keras.Input((8, 8, 4))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "other.h5")
    with pytest.raises(ValueError, match=message):
        graph_of(tmp_path / "other.h5")


def test_layer_that_is_called_twice_is_told(tmp_path):
    inputs, twice = keras.Input((8,)), layers.Dense(8, name="twice")
    keras.Model(inputs, twice(twice(inputs))).save(tmp_path / "other.h5")
    with pytest.raises(ValueError, match=r"Expected each layer to be called once\. Received: 2 calls of twice"):
        graph_of(tmp_path / "other.h5")


def test_sequential_model_is_told(tmp_path):
    keras.Sequential([keras.Input((8,)), layers.Dense(2)]).save(tmp_path / "other.h5")
    with pytest.raises(ValueError, match=r"Expected a functional model\. Received: Sequential"):
        graph_of(tmp_path / "other.h5")
