"""The mean of the weights that several stages ended with."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np


def average(network: keras.Model, files: Sequence[Path]) -> None:
    """Give a network the mean of the weights in these files (Izmailov et al., arXiv:1803.05407).

    Stages that followed each other end in one valley of the loss. Its middle does better on slices that were not trained on
    than either end of it.

    Args:
        files: `*.weights.h5` of this network, one at least.

    Raises:
        ValueError: no files, or weights of another network.
    """
    if not files:
        raise ValueError("Expected one file of weights at least. Received: none")
    sums = [np.zeros(weight.shape) for weight in network.weights]
    for file in files:
        network.load_weights(file)
        sums = [total + weight for total, weight in zip(sums, network.get_weights(), strict=True)]
    network.set_weights([total / len(files) for total in sums])
