import keras
import numpy as np
import pytest
from keras import ops

from model.gate import OTHERS
from model.training.losses import admissible_cross_entropy, dice_cross_entropy
from model.training.network import build, freeze, with_gate


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    return build(64, None)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((2, 64, 64, 3)).astype(np.float32)


def test_convolutions_are_those_of_vgg16(network):
    kernels = [w.kernel.shape for w in network.layers if w.name.startswith("block") and w.weights]
    assert [k[3] for k in kernels] == [64, 64, 128, 128, *[256] * 3, *[512] * 6]
    assert {k[:2] for k in kernels} == {(3, 3)}


def test_outputs_have_their_shapes_and_ranges(network, images):
    outputs = {k: np.asarray(v) for k, v in network(images).items()}
    assert {k: v.shape[1:] for k, v in outputs.items()} == {
        "probabilities": (4,),
        "mask": (32, 32, 1),
        "evidence": (4, 4, 4),
        "features": (768,),
    }
    assert outputs["probabilities"].sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert outputs["mask"].min() >= 0
    assert outputs["mask"].max() <= 1


def test_probabilities_are_the_softmax_of_the_mean_evidence(network, images):
    outputs = {k: np.asarray(v) for k, v in network(images).items()}
    logits = np.exp(outputs["evidence"].mean(axis=(1, 2)))
    assert outputs["probabilities"] == pytest.approx(logits / logits.sum(axis=1, keepdims=True), abs=1e-5)


def test_features_have_unit_length_by_layer_and_do_not_know_the_contrast(network, images):
    features, paler = (np.asarray(network(x)["features"]) for x in (images, 0.5 * images))
    assert np.linalg.norm(features[:, :256], axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert np.linalg.norm(features[:, 256:], axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert paler == pytest.approx(features, abs=1e-4)  # the random network has no biases: all is proportional


def test_saved_h5_answers_as_before(network, images, tmp_path):
    served = with_gate(network)
    served.save(tmp_path / "m.h5")
    loaded = keras.saving.load_model(tmp_path / "m.h5", compile=False, safe_mode=True)
    before, after = served(images), loaded(images)
    assert set(before) == {"probabilities", "mask", "evidence", "gate", "others"}
    assert before["others"].shape == (len(images), len(OTHERS))
    for name in before:
        assert np.asarray(after[name]) == pytest.approx(np.asarray(before[name]), abs=1e-6), name


@pytest.mark.parametrize(("blocks", "frozen"), [(0, 0), (2, 4), (5, 13)])  # VGG16's blocks hold 2, 2, 3, 3 and 3 convolutions
def test_freeze(network, blocks, frozen):
    freeze(network, blocks)
    convolutions = [w for w in network.layers if w.name.startswith("block") and w.weights]
    assert sum(not w.trainable for w in convolutions) == frozen
    assert network.get_layer("class_hidden").trainable


@pytest.mark.parametrize("size", [32, 100])
def test_size_is_checked(size):
    with pytest.raises(ValueError, match=f"multiple of 16, at least 64. Received: {size}"):
        build(size, None)


def test_weights_come_from_a_path(network, tmp_path):
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    base.save_weights(tmp_path / "base.weights.h5")
    built = build(64, tmp_path / "base.weights.h5")
    expected = base.get_layer("block4_conv2").get_weights()[0]
    assert np.array_equal(built.get_layer("block4_conv2").get_weights()[0], expected)
    assert not np.array_equal(network.get_layer("block4_conv2").get_weights()[0], expected)


def test_admissible_cross_entropy_takes_full_and_partial_labels():
    probabilities = ops.array([[0.5, 0.2, 0.2, 0.1], [0.5, 0.2, 0.2, 0.1]])
    admissible = ops.array([[0.0, 1, 0, 0], [1, 1, 0, 1]])  # a meningioma; a tumor of unknown type
    loss = np.asarray(admissible_cross_entropy(admissible, probabilities))
    assert loss == pytest.approx([-np.log(0.2), -np.log(0.8)], abs=1e-5)


def test_dice_cross_entropy_knows_right_wrong_and_empty():
    mask = np.zeros((3, 8, 8, 1), np.float32)
    mask[:2, 2:6, 2:6] = 1
    predicted = np.zeros_like(mask)
    predicted[0] = mask[0]
    loss = np.asarray(dice_cross_entropy(ops.array(mask), ops.array(predicted)))
    assert loss[0] == pytest.approx(0.0, abs=1e-4)
    assert loss[1] == pytest.approx(1.0 + 4.0 * 0.25 * -np.log(1e-6), rel=1e-3)  # no overlap, a quarter of pixels missed
    assert loss[2] == pytest.approx(0.0, abs=1e-4)
