"""Inference by Keras on TensorFlow: what the network was trained with, and what OpenVINO is held against."""

import os
from collections.abc import Callable
from pathlib import Path

from model.engines.network_file import check_shapes, reading


def load(path: Path, size: int, threads: int = 0) -> Callable:
    """See `engines.load`. TensorFlow is imported here, so that nothing else waits for it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it reports every missing GPU as an error
    import keras

    if threads:
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    with reading(path):
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    outputs = network.output
    named = {name: tuple(value.shape) for name, value in outputs.items()} if isinstance(outputs, dict) else None
    check_shapes(path, size, network.input_shape, named or network.output_shape)
    return network.predict_on_batch
