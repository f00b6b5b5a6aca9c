import keras
import numpy as np
import pytest

from model.training.optimizer import DiscriminativeAdamW, WarmHeldCosine


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


def test_the_rate_rises_is_held_and_falls_to_a_hundredth():
    schedule = WarmHeldCosine(2e-3, 100, held=0.6)
    rates = {step: float(schedule(step)) / 2e-3 for step in (0, 5, 10, 40, 60, 80, 90, 100, 120)}
    assert rates == pytest.approx(
        {0: 0.05, 5: 0.525, 10: 1.0, 40: 1.0, 60: 1.0, 80: 0.505, 90: 0.155, 100: 0.01, 120: 0.01}, abs=1e-3
    )


def test_without_holding_it_falls_as_soon_as_it_has_risen():
    schedule, usual = (
        WarmHeldCosine(1e-3, 1000),
        keras.optimizers.schedules.CosineDecay(5e-5, 900, alpha=0.01, warmup_target=1e-3, warmup_steps=100),
    )
    for step in (0, 50, 100, 325, 550, 900, 1000):
        assert float(schedule(step)) == pytest.approx(float(usual(step)), rel=1e-3)


def test_a_schedule_is_saved_and_refuses_to_hold_less_than_it_rises():
    config = keras.saving.serialize_keras_object(DiscriminativeAdamW(WarmHeldCosine(1e-3, 10, 0.5)))
    restored = keras.saving.deserialize_keras_object(config)._learning_rate
    assert (restored.peak, restored.steps, restored.held) == (1e-3, 10, 0.5)
    with pytest.raises(ValueError, match=r"in \[0.1, 1\) to hold the rate for. Received: 1.0"):
        WarmHeldCosine(1e-3, 10, 1.0)
