"""The mean of several weights."""

import keras
import numpy as np
import pytest

from model.training.averaging import RunningMean, average


def network(units=2):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, name="dense")])


def saved(folder, name, value, units=2):
    one = network(units)
    one.set_weights([np.full(weight.shape, value, np.float32) for weight in one.get_weights()])
    one.save_weights(folder / f"{name}.weights.h5")
    return folder / f"{name}.weights.h5"


def test_weights_are_the_mean_of_the_files_and_the_networks_own_play_no_part(tmp_path):
    files = [saved(tmp_path, "first", 1.0), saved(tmp_path, "second", 4.0), saved(tmp_path, "third", 7.0)]
    averaged = network()
    average(averaged, files)
    assert [np.unique(weight).tolist() for weight in averaged.get_weights()] == [[4.0], [4.0]]
    average(averaged, files[:1])
    assert [np.unique(weight).tolist() for weight in averaged.get_weights()] == [[1.0], [1.0]]


def test_a_model_h5_gives_the_weights_of_the_layers_that_are_there_and_counts_as_often_as_it_is_given(tmp_path):
    served = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense"), keras.layers.Dense(5, name="gate")])
    served.set_weights([np.full(weight.shape, 4.0, np.float32) for weight in served.get_weights()])
    served.save(tmp_path / "model.h5")
    averaged = network()
    average(averaged, [saved(tmp_path, "first", 1.0), tmp_path / "model.h5", tmp_path / "model.h5"])
    assert [np.unique(weight).tolist() for weight in averaged.get_weights()] == [[3.0], [3.0]]
    with pytest.raises(ValueError):
        average(network(units=4), [tmp_path / "model.h5"])


def test_only_weights_of_this_network_can_be_averaged(tmp_path):
    with pytest.raises(ValueError):
        average(network(), [saved(tmp_path, "other", 1.0, units=5)])
    with pytest.raises(ValueError, match="Received: none"):
        average(network(), [])


@pytest.mark.parametrize("every, counted", ((1, (0, 1, 2, 3, 4)), (2, (1, 3)), (5, (4,)), (9, (4,))))
def test_an_epochs_mean_is_of_every_so_many_steps_or_of_its_end(every, counted):
    one = network()
    mean = RunningMean(every)
    mean.set_model(one)
    for first in (1.0, 100.0):  # an epoch counts nothing of the one before
        mean.on_epoch_begin(0)
        for step in range(5):
            one.set_weights([np.full(weight.shape, first * 2**step, np.float32) for weight in one.get_weights()])
            mean.on_train_batch_end(step)
        mean.on_epoch_end(0)
        expected = first * np.mean([2**step for step in counted])
        assert [weight.shape for weight in mean.mean] == [(3, 2), (2,)]
        assert [np.unique(weight).tolist() for weight in mean.mean] == [[pytest.approx(expected)]] * 2
        assert one.get_weights()[1].tolist() == [first * 16] * 2  # the network's own stay as they are


def test_a_network_that_trains_hands_over_the_mean_of_its_steps():
    one, seen, mean = network(), [], RunningMean(1)
    one.compile("sgd", "mse")
    keep = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(one.get_weights()))
    slices = np.random.default_rng(3).normal(size=(12, 3))
    one.fit(slices, slices[:, :2], batch_size=4, epochs=1, verbose=0, callbacks=[mean, keep])
    assert len(seen) == 3 and not np.array_equal(seen[0][0], seen[2][0])
    for given, weights in zip(mean.mean, zip(*seen, strict=True), strict=True):
        assert np.allclose(given, np.mean(weights, axis=0), atol=1e-6)
