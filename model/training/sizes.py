"""The same weights at another input side: what they answer there."""

import keras
import numpy as np

from model.training.arrays import Arrays
from model.training.batches import admissible, shares
from model.training.export import fit_mask_temperature, mean_dice, outputs
from model.training.network import build


def at_size(network: keras.Model, size: int) -> keras.Model:
    """The network with the same weights for another input side in pixels, see `network.build`."""
    resized = build(size, None)
    for layer in resized.layers:
        if layer.weights:
            layer.set_weights(network.get_layer(layer.name).get_weights())
    return resized


def compared(network: keras.Model, arrays: Arrays) -> dict[str, float]:
    """How a network does on slices of its size, sources and classes weighed as training draws them.

    Returns:
        `class_loss`, the mean of -log of the probability of what a slice may be; `accuracy`, the share of slices whose
        likeliest class is one they may be of; `dice`, the mean over slices with a tumor at the mask's best temperature.
    """
    given = outputs(network, arrays.images)
    outlines = given["mask"][..., 0], arrays.masks, arrays.has_mask
    targets, weights = admissible(arrays.items), shares(arrays.items)
    probability = (targets * given["probabilities"]).sum(axis=1)
    right = targets[np.arange(len(targets)), given["probabilities"].argmax(axis=1)]
    return {
        "class_loss": float(-np.log(np.clip(probability, 1e-6, 1.0)) @ weights),
        "accuracy": float(right @ weights),
        "dice": mean_dice(*outlines, fit_mask_temperature(*outlines)),
    }
