"""The mean of several weights."""

import keras
import numpy as np
import pytest

from model.training import averaging
from model.training.averaging import average


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


def test_a_file_is_read_once_however_often_it_counts(tmp_path, monkeypatch):
    files = [saved(tmp_path, "first", 1.0), saved(tmp_path, "second", 4.0)]
    read, load = [], averaging._load
    monkeypatch.setattr(averaging, "_load", lambda network, file: (read.append(file), load(network, file)))
    averaged = network()
    average(averaged, [files[0], files[1], files[0], files[0]])
    assert read == files
    assert [np.unique(weight).tolist() for weight in averaged.get_weights()] == [[1.75], [1.75]]


def test_only_weights_of_this_network_can_be_averaged(tmp_path):
    with pytest.raises(ValueError):
        average(network(), [saved(tmp_path, "other", 1.0, units=5)])
    with pytest.raises(ValueError, match="Received: none"):
        average(network(), [])
