"""The mean of several weights of one network."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np


def average(network: keras.Model, files: Sequence[Path]) -> None:
    """Give a network the mean of the weights in these files (Izmailov et al., arXiv:1803.05407).

    Stages that followed each other end in one valley of the loss. Its middle does better on slices that were not trained on
    than either end of it. Between weights of which one fits its own sources better, the other foreign ones, it keeps most of
    what either can do (Wortsman et al., arXiv:2109.01903).

    Args:
        files: `*.weights.h5` of this network, or a model.h5 with its layers; one at least. Given twice, one counts twice.

    Raises:
        ValueError: no files, or weights of another network.
    """
    if not files:
        raise ValueError("Expected one file of weights at least. Received: none")
    sums = [np.zeros(weight.shape) for weight in network.weights]
    for file, times in Counter(files).items():
        _load(network, file)
        sums = [total + times * weight for total, weight in zip(sums, network.get_weights(), strict=True)]
    network.set_weights([total / len(files) for total in sums])


def _load(network: keras.Model, file: Path) -> None:
    """The weights of a file; what a model.h5 has beyond this network's layers, such as its gate, is left there."""
    if file.name.endswith(".weights.h5"):
        network.load_weights(file)
        return
    served = keras.saving.load_model(file, compile=False)
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(served.get_layer(layer.name).get_weights())
