"""What a network learned on top of another one's weights, kept as changes of low rank."""

import keras
import numpy as np
import pytest

from model.training.export import halved
from model.training.low_rank import factors, reduce_changes


def test_a_change_of_low_rank_is_kept_whole_and_of_any_other_the_most_that_its_rank_can_hold():
    rng = np.random.default_rng(0)
    low = (rng.normal(size=(18, 2)) @ rng.normal(size=(2, 6))).reshape(3, 3, 2, 6)
    left, right = factors(low, 2)
    assert (left.shape, right.shape, left.dtype, right.dtype) == ((18, 2), (2, 6), np.float16, np.float16)
    assert (left.astype(np.float32) @ right).reshape(low.shape) == pytest.approx(low, abs=0.02)

    whole = rng.normal(size=(3, 3, 2, 6))
    values = np.linalg.svd(whole.reshape(18, 6), compute_uv=False)
    for rank in (1, 4, 6, 64):
        left, right = factors(whole, rank)
        assert left.shape[1] == right.shape[0] == min(rank, 6)
        missed = np.linalg.norm(whole.reshape(18, 6) - left.astype(np.float32) @ right)
        assert missed == pytest.approx(np.linalg.norm(values[rank:]), abs=0.02)  # Eckart and Young's theorem


def network(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((8, 8, 3))
    for name in ("kept", "changed", "other"):
        x = keras.layers.Conv2D(3, 3, padding="same", bias_initializer="normal", name=name)(x)
    return keras.Model(inputs, x)


def test_a_network_is_rounded_to_what_a_file_holds_of_it():
    before, after = network(1), network(2)
    for layer in before.layers:
        layer.set_weights([halved(weights) for weights in layer.get_weights()])
    kernels = {name: before.get_layer(name).get_weights()[0] for name in ("kept", "changed")}
    change = np.random.default_rng(0).normal(size=(27, 1)) @ np.ones((1, 3)) / 100
    after.get_layer("kept").set_weights([kernels["kept"], after.get_layer("kept").get_weights()[1]])
    biases = after.get_layer("changed").get_weights()[1]
    after.get_layer("changed").set_weights([kernels["changed"] + change.reshape(3, 3, 3, 3), biases])
    own = after.get_layer("other").get_weights()

    changes = reduce_changes(after, before, ["kept", "changed"], rank=1)
    assert changes.keys() == {"changed"}
    left, right = (matrix.astype(np.float32) for matrix in changes["changed"])
    assert left @ right == pytest.approx(change, abs=1e-4)
    kernel, bias = after.get_layer("changed").get_weights()
    np.testing.assert_array_equal(kernel, kernels["changed"] + (left @ right).reshape(kernel.shape))
    np.testing.assert_array_equal(bias, halved(biases))
    np.testing.assert_array_equal(after.get_layer("kept").get_weights()[0], kernels["kept"])
    assert all(map(np.array_equal, after.get_layer("other").get_weights(), map(halved, own)))
