"""The ranges that 8 bits have to cover: the most that each channel of a convolution's input takes, over training slices.

`engines.eight_bits` rounds within them. Maxima, because cutting off what lies beyond does more harm than wider steps do.
"""

import keras
import numpy as np

from model.engines.eight_bits import told

RANGE_SLICES = 320  # of training; of each source and class as many


def input_ranges(network: keras.Model, images: np.ndarray, batch: int = 16) -> dict[str, dict]:
    """What each layer of `in_eight_bits` takes in, by its name; see `eight_bits.told`.

    Args:
        images: uint8 (n, s, s), which the network takes three times over, or (n, s, s, c).
    """
    chosen = in_eight_bits(network)
    most = keras.Model(network.input, [keras.ops.max(layer.input, axis=(1, 2)) for layer in chosen])
    found = [np.zeros(layer.input.shape[-1]) for layer in chosen]
    for start in range(0, len(images), batch):
        x = images[start : start + batch].astype(np.float32) / 255.0
        if x.ndim == 3:
            x = x[..., None].repeat(3, axis=-1)
        found = [np.maximum(a, b.max(axis=0)) for a, b in zip(found, most.predict_on_batch(x), strict=True)]
    return {layer.name: told(values) for layer, values in zip(chosen, found, strict=True)}


def in_eight_bits(network: keras.Model) -> list[keras.Layer]:
    """Convolutions, and layers that are dense over places, which take in what is not negative, but for the first.

    What gives an answer, a class or an outline, is left in float32: it takes next to no time. So is the first, whose input is
    the slice: the grays of a dark tumor are few.
    """
    kinds = (keras.layers.Conv2D, keras.layers.Dense)
    found = [layer for layer in network.layers if isinstance(layer, kinds) and len(layer.input.shape) == 4]
    return [layer for layer in found[1:] if layer.activation is keras.activations.relu]
