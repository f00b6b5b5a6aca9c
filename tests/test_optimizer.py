import keras
import numpy as np
import pytest

from model.training.optimizer import DiscriminativeAdamW


def step(factor):
    """How far one step moves a layer of the base and one of a head, both with a gradient of 1."""
    inputs = keras.Input((1,))
    base = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="block1_dense")(inputs)
    head = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="head_dense")(inputs)
    network = keras.Model(inputs, keras.layers.Add()([base, head]))
    network.compile(DiscriminativeAdamW(0.01, factor), loss=lambda _, y: y)
    network.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)
    return [float(w[0, 0]) for w in network.get_weights()]


def test_heads_move_faster_by_the_factor():
    assert step(1.0) == pytest.approx([-0.01, -0.01], rel=1e-3)
    assert step(4.0) == pytest.approx([-0.01, -0.04], rel=1e-3)


def test_the_factor_is_saved():
    config = keras.saving.serialize_keras_object(DiscriminativeAdamW(0.01, 3.0, weight_decay=0.5))
    restored = keras.saving.deserialize_keras_object(config)
    assert (restored.head_factor, restored.weight_decay) == (3.0, 0.5)
