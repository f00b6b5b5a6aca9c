"""What layers learned on top of another network's weights, as changes of low rank: few numbers that say nearly all of it.

A kernel, (height, width, in, out), is taken for a matrix of height * width * in rows. What further training adds to it has few
directions that matter (Hu et al., arXiv:2106.09685). The best approximation of a given rank comes of the singular value
decomposition (Eckart & Young, Psychometrika 1, 1936). Both networks lie in one file, the weights that they share once.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import h5py
import keras
import numpy as np

from model.engines.network_file import CHANGE, changed, weight_paths
from model.training.export import halved, write_half

RANK = 64

Changes = Mapping[str, tuple[np.ndarray, np.ndarray]]  # by the layer: two matrices, float16 (n, r) and (r, out)


def factors(change: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The change of a kernel, (..., out), as a product of two matrices, float16 (n, r) and (r, out); r is `rank` at most."""
    left, values, right = np.linalg.svd(change.reshape(-1, change.shape[-1]).astype(np.float32), full_matrices=False)
    root = np.sqrt(values[:rank])  # each gets as much of it: float16 has few exponents
    return (left[:, :rank] * root).astype(np.float16), (root[:, None] * right[:rank]).astype(np.float16)


def reduce_changes(network: keras.Model, classifier: keras.Model, layers: Collection[str], rank: int = RANK) -> Changes:
    """Round a network's weights to what a file holds: float16, or the classifier's and a change of low rank.

    Args:
        layers: whose kernels are to be the classifier's, float16 already, and such a change.

    Returns:
        The changes, of those that have one.
    """
    changes = {}
    for layer in network.layers:
        rounded = [halved(weights) for weights in layer.get_weights()]
        if layer.name in layers:
            kernel, before = layer.get_weights()[0], classifier.get_layer(layer.name).get_weights()[0]
            rounded[0] = before
            if not np.array_equal(kernel, before):
                left, right = changes[layer.name] = factors(kernel - before, rank)
                rounded[0] = changed(before, left, right)
        layer.set_weights(rounded)
    return changes


def write_changed(network: keras.Model, layers: Collection[str], changes: Changes, group: h5py.Group, part: Path) -> None:
    """The network into a group of a file that holds the classifier: of these layers only what is not the classifier's.

    Args:
        layers: whose kernels are the classifier's, but for `changes`.
        part: a file to write it to on the way.
    """
    held = group.file["model_weights"]
    kernels = [f"model_weights/{name}/{weight_paths(held[name])['kernel']}" for name in layers]
    write_half(network, group, part, {path: f"/{path}" for path in kernels})
    for name, matrices in changes.items():
        for part_name, matrix in zip(CHANGE, matrices, strict=True):
            group[f"model_weights/{name}"].create_dataset(part_name, data=matrix)
