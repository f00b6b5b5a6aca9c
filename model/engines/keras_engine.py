"""Inference by Keras on TensorFlow: what the network was trained with, and what OpenVINO is held against."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py

from model.engines.network_file import CLASSIFIER, Part, check_shapes, read_network, reading


def load(path: Path, size: int, threads: int = 0, part: Part = CLASSIFIER) -> Callable:
    """See `engines.load`. TensorFlow is imported here, so that nothing else waits for it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it reports every missing GPU as an error
    import keras

    if threads:
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    with reading(path):
        network = keras.saving.load_model(path, compile=False, safe_mode=True) if part == CLASSIFIER else read(path, part)
    outputs = network.output
    named = {name: tuple(value.shape) for name, value in outputs.items()} if isinstance(outputs, dict) else None
    check_shapes(path, size, network.input_shape, named or network.output_shape, part)
    return network.predict_on_batch


def read(path: Path, part: Part):
    """The Keras model in a group of a file; Keras itself looks for one at the top of a file, and nowhere else."""
    import keras

    with h5py.File(path, "r") as file:
        group = file[part.group]
        network = keras.Model.from_config(json.loads(group.attrs["model_config"])["config"])
        for layer in read_network(group).layers:
            if layer.weights:
                network.get_layer(layer.name).set_weights([layer.weight(name) for name in layer.weights])
    return network
