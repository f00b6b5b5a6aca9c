"""The original project's kind of file, on a model of that shape built here with random weights."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
from PIL import Image

from model.original import OriginalModel, load_original, to_rgb


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A VGG16 of random weights in the original's Sequential, and its file."""
    import keras

    keras.utils.set_random_seed(7)
    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(128, 128, 3))
    network = keras.Sequential(
        [
            keras.Input((128, 128, 3)),
            base,
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    # Untrained, the signal all but dies in thirteen layers; scaled up, different slices get different answers.
    kernel, bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([kernel * 300, bias + np.linspace(0, 0.9, 4)])
    network.compile("adam", "sparse_categorical_crossentropy")
    path = tmp_path_factory.mktemp("original") / "original.h5"
    network.save(path)
    return network, path


@pytest.fixture(scope="module")
def loaded(built):
    return load_original(built[1])


@pytest.fixture
def save(tmp_path):
    """Save a one-layer stand-in of other shapes, or of other layers."""
    import keras

    def saved(*layers, side=128):
        path = tmp_path / "other.h5"
        keras.Sequential([keras.Input((side, side, 3)), *layers]).save(path)
        return path

    return saved


def a_slice(seed=0, shape=(200, 170)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(200, 170), (64, 90, 3), (140, 140, 4), (150, 130, 2)])
def test_sees_what_keras_load_img_showed_the_original(tmp_path, shape):
    import keras

    pixels = a_slice(1, shape)
    Image.fromarray(pixels).save(tmp_path / "slice.png")
    shown = keras.utils.img_to_array(keras.utils.load_img(tmp_path / "slice.png", target_size=(128, 128))) / 255.0
    seen = to_rgb(pixels)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, shown)


def test_wider_slices_are_windowed_to_8_bits():
    ramp = np.linspace(0, 4000, 128 * 128).reshape(128, 128).astype(np.uint16)
    seen = to_rgb(ramp)
    assert seen.min() == 0 and seen.max() == 1
    assert seen[64, 0, 0] == pytest.approx((0.5 - 0.01) / (0.995 - 0.01), abs=1 / 255)
    np.testing.assert_array_equal(seen[..., 0], seen[..., 2])


def test_to_rgb_leaves_its_input_alone():
    pixels = a_slice()
    before = pixels.copy()
    to_rgb(pixels)
    np.testing.assert_array_equal(pixels, before)


def test_predicts_what_the_built_network_predicts(built, loaded):
    network, _ = built
    pixels = [a_slice(2), np.full((128, 128), 255, np.uint8), np.zeros((90, 90, 3), np.uint8)]
    expected = network.predict(np.stack([to_rgb(p) for p in pixels]), verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.05, "the three slices must differ, or the comparison shows nothing"
    for one, values in zip(pixels, expected, strict=True):
        answer = loaded.predict(one)
        assert list(answer) == ["class 0", "class 1", "class 2", "class 3"]
        np.testing.assert_allclose(list(answer.values()), values, atol=1e-5)
        assert sum(answer.values()) == pytest.approx(1, abs=1e-5)


def test_outputs_take_the_names_of_an_order(built, loaded):
    pixels = a_slice(3)
    named = OriginalModel(loaded.network, ("pituitary", "glioma", "notumor", "meningioma")).predict(pixels)
    unnamed = loaded.predict(pixels)
    assert list(named) == ["pituitary", "glioma", "notumor", "meningioma"]
    assert list(named.values()) == list(unnamed.values())
    assert load_original(built[1], order=list(named)).order == tuple(named)


def test_nothing_of_the_training_is_loaded(loaded):
    assert not loaded.network.compiled
    assert type(loaded.network).__name__ == "Sequential"
    assert loaded.network.layers[0].name == "vgg16"


@pytest.mark.parametrize("order", [("a", "b", "c"), ("a", "b", "c", "c"), "abcde"])
def test_refuses_an_order_that_is_not_four_names(tmp_path, order):
    with pytest.raises(ValueError, match="Expected four different names of outputs"):
        load_original(tmp_path / "never read.h5", order)


def test_refuses_other_shapes(save):
    import keras

    pooled = keras.layers.GlobalAveragePooling2D
    with pytest.raises(ValueError, match=r"to \(None, 4\)\. Received: from \(None, 128, 128, 3\) to \(None, 3\)"):
        load_original(save(pooled(), keras.layers.Dense(3, activation="softmax")))
    with pytest.raises(ValueError, match=r"expected a network from \(None, 128, 128, 3\).*from \(None, 150, 150, 3\)"):
        load_original(save(pooled(), keras.layers.Dense(4, activation="softmax"), side=150))


def test_refuses_code_in_the_file(save):
    import keras

    path = save(keras.layers.Lambda(lambda x: x), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4))
    with pytest.raises(ValueError, match=r"(?i)lambda"):
        load_original(path)


def test_missing_and_foreign_files_are_os_errors(tmp_path):
    with pytest.raises(OSError, match=r"missing\.h5"):
        load_original(tmp_path / "missing.h5")
    (tmp_path / "foreign.h5").write_bytes(b"<html>quota</html>")
    with pytest.raises(OSError, match="file signature not found"):
        load_original(tmp_path / "foreign.h5")


@pytest.mark.parametrize("pixels", [np.zeros((0, 5), np.uint8), np.zeros((4, 4, 5), np.uint8)])
def test_refuses_what_is_not_a_slice(loaded, pixels):
    with pytest.raises(ValueError, match="A slice must"):
        loaded.predict(pixels)
