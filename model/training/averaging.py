"""The mean of several weights of one network."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np


class RunningMean(keras.callbacks.Callback):
    """The mean of a network's weights over an epoch, a set of them every so many steps.

    At a rate that is held the weights of one step tell as much of its last batches as of what was learned; their mean over
    many steps does not (Izmailov et al., arXiv:1803.05407).

    Args:
        every: steps from one set of weights to the next, at least 1. An epoch of fewer steps counts with its last ones.

    Attributes:
        mean: after an epoch, an array for each of the network's weights, of its shape, float64.
    """

    def __init__(self, every: int):
        super().__init__()
        self.every = every

    def on_epoch_begin(self, epoch, logs=None):
        self._sums, self._count = [np.zeros(weight.shape) for weight in self.model.weights], 0

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % self.every == 0:
            self._add()

    def on_epoch_end(self, epoch, logs=None):
        if not self._count:
            self._add()
        self.mean = [total / self._count for total in self._sums]

    def _add(self):
        for total, weight in zip(self._sums, self.model.get_weights(), strict=True):
            total += weight
        self._count += 1


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
    for file in files:
        _load(network, file)
        sums = [total + weight for total, weight in zip(sums, network.get_weights(), strict=True)]
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
