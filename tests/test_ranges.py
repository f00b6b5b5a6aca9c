"""What 8 bits have to cover: the most that each channel of a convolution's input takes."""

import keras
import numpy as np
import pytest

from model.engines.eight_bits import ranges_of
from model.training.network import build
from model.training.ranges import in_eight_bits, input_ranges


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(5)
    return build(64, None)


def test_all_compute_in_8_bits_but_the_first_and_what_gives_an_answer(network):
    chosen = {layer.name for layer in in_eight_bits(network)}
    places = {
        f"block{block}_conv{i}" for block, depth in zip(range(1, 6), (2, 2, 3, 3, 3), strict=True) for i in range(1, depth + 1)
    }
    decoder = {f"mask_lateral{level}" for level in (2, 3, 4, 5)} | {f"mask_conv{level}" for level in (2, 3, 4)}
    assert chosen == places - {"block1_conv1"} | decoder | {"class_hidden"}


def test_ranges_are_the_largest_values_of_each_channel(network):
    images = np.random.default_rng(2).integers(0, 256, (5, 64, 64), np.uint8)
    found = input_ranges(network, images, batch=2)
    assert set(found) == {layer.name for layer in in_eight_bits(network)}
    x = np.repeat(images[..., None] / np.float32(255), 3, axis=-1)
    for name, source in (("block1_conv2", "block1_conv1"), ("class_hidden", "block5_conv3"), ("mask_conv4", "mask_join4")):
        values = keras.Model(network.input, network.get_layer(source).output).predict_on_batch(x).max(axis=(0, 1, 2))
        assert found[name]["most"] == pytest.approx(values.max(), rel=1e-4, abs=1e-4)
        expected = np.sqrt(values.max() * np.maximum(values, values.max() / 255))
        assert ranges_of(**found[name]) == pytest.approx(expected, rel=0.35)
        assert (ranges_of(**found[name]) >= expected - 1e-4).all()  # rounded up: nothing seen is cut off
