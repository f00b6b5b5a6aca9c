"""The network: VGG16 without its top, and four heads that share it in one forward pass.

    input [0, 1] -> VGG16 -+-> block5 -> Dense 256 -> evidence per class and place -> mean -> softmax    "probabilities"
                           |                            (the class activation map itself)               "evidence"
                           +-> block2..5 -> small feature-pyramid decoder -> sigmoid                    "mask"
                           +-> deviations in block3, block4 -> whitening, fitted after training         "gate"
                                                            -> what else it may be, likewise            "others"

VGG16: Simonyan & Zisserman, arXiv:1409.1556. The class map follows Zhou et al., arXiv:1512.04150, where the map is what the
pooling averages; the second pooling, weighted by a learned attention, follows Ilse et al., arXiv:1802.04712, so that a small
lesion is not averaged away. The decoder follows Lin et al., arXiv:1612.03144.
"""

from pathlib import Path

import keras
from keras import layers

from model.gate import OTHERS
from model.labels import LABELS

GATE_LAYERS = ("block3_conv3", "block4_conv3")  # textures and parts; deeper takes anything for a brain (compare_gates.py)
HEAD_UNITS = 256
STRIDE = 16  # of VGG16's deepest block: its maps have a 16th of the input's side


def build(size: int, weights: str | Path | None, dropout: float = 0.3) -> keras.Model:
    """Build the network for training.

    Args:
        size: input side in pixels, a multiple of STRIDE of at least 64.
        weights: of the VGG16 base: a path, "imagenet" (fetched by Keras), or None for random ones.
        dropout: on the pooled features, in [0, 1).

    Returns:
        A functional model from float32 (n, size, size, 3) in [0, 1] to a dict of float32 outputs: `probabilities` (n, 4),
        `mask` (n, size / 2, size / 2, 1), `evidence` (n, size / STRIDE, size / STRIDE, 4) whose mean is the logit of each
        class, and `features` (n, 768), what the gate is fitted on: how much each channel of GATE_LAYERS deviates from its
        mean over the slice, each layer's vector of unit length, so that a slice's contrast plays no part.

    Raises:
        ValueError: for another size, or when the weights are not of a VGG16 without top.
    """
    if size < 64 or size % STRIDE:
        raise ValueError(f"The size must be a multiple of {STRIDE}, at least 64. Received: {size}")
    inputs = keras.Input((size, size, 3), name="slice")
    base = keras.applications.VGG16(include_top=False, input_tensor=inputs, weights=weights and str(weights))
    block = {name: base.get_layer(name).output for name in (*GATE_LAYERS, "block5_conv3")}

    top, x = decoder(base)
    mask = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="mask")(x)

    # Classes: every place votes; the plain mean and the attention-weighted mean of the votes are added.
    places = size // STRIDE
    hidden = layers.Dense(HEAD_UNITS, activation="relu", name="class_hidden")(block["block5_conv3"])
    attention = layers.Dense(1, dtype="float32", name="attention_score")(top)
    attention = layers.Reshape((places * places, 1), dtype="float32", name="attention_flat")(attention)
    attention = layers.Softmax(axis=1, dtype="float32", name="attention")(attention)
    attention = layers.Rescaling(float(places * places), dtype="float32", name="attention_mean_one")(attention)
    attention = layers.Reshape((places, places, 1), dtype="float32", name="attention_map")(attention)
    lesion = layers.Multiply(dtype="float32", name="class_lesion")([hidden, attention])
    votes = layers.Concatenate(dtype="float32", name="class_features")([hidden, lesion])
    votes = layers.SpatialDropout2D(dropout, dtype="float32", name="class_dropout")(votes)
    evidence = layers.Dense(len(LABELS), dtype="float32", name="evidence")(votes)
    logits = layers.GlobalAveragePooling2D(dtype="float32", name="logits")(evidence)
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(logits)

    features = [_deviation(block[name], name) for name in GATE_LAYERS]
    features = layers.Concatenate(dtype="float32", name="features")(features)
    outputs = {"probabilities": probabilities, "mask": mask, "evidence": evidence, "features": features}
    return keras.Model(inputs, outputs, name="earlymed")


def decoder(base: keras.Model) -> tuple:
    """What the tumor's mask is drawn with, on a VGG16: a map of its deepest block, and one at half the input's side."""
    block5, block4, block3, block2 = (
        base.get_layer(name).output for name in ("block5_conv3", "block4_conv3", "block3_conv3", "block2_conv2")
    )
    top = layers.Conv2D(96, 1, activation="relu", name="mask_lateral5")(block5)
    x = merge(top, block4, 96, 4)
    x = merge(x, block3, 64, 3)
    return top, merge(x, block2, 32, 2)


def freeze(network: keras.Model, blocks: int) -> None:
    """Let everything learn but the first `blocks` of VGG16's five blocks (5 leaves the heads alone to learn)."""
    for layer in network.layers:
        layer.trainable = not (layer.name[:5] == "block" and layer.name[5] in "12345"[:blocks])


def with_gate(network: keras.Model) -> keras.Model:
    """The network as it is served (weights still to be set).

    `features` are replaced by `gate`, (n, 768), their whitening, and `others`, (n, 3), the log-odds of each of `gate.OTHERS`.
    """
    features = network.output["features"]
    gate = layers.Dense(features.shape[-1], dtype="float32", name="gate")(features)
    others = layers.Dense(len(OTHERS), dtype="float32", name="others")(features)
    outputs = {k: v for k, v in network.output.items() if k != "features"} | {"gate": gate, "others": others}
    return keras.Model(network.input, outputs, name="earlymed")


def _deviation(maps, name: str):
    """Half the mean absolute deviation of each channel over the slice, to unit length: (n, h, w, c) -> (n, c).

    How much each texture varies over the slice tells a head from other pictures better than how much of it there is.
    """
    mean = layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name=f"gate_mean_{name}")(maps)
    difference = layers.Subtract(dtype="float32", name=f"gate_difference_{name}")([maps, mean])
    above = layers.ReLU(dtype="float32", name=f"gate_above_{name}")(difference)
    deviation = layers.GlobalAveragePooling2D(dtype="float32", name=f"gate_deviation_{name}")(above)
    return layers.UnitNormalization(dtype="float32", name=f"gate_unit_{name}")(deviation)


def merge(coarse, fine, channels: int, level: int, *more):
    """One step down the pyramid: the coarse map, doubled, joins the finer block, and more maps, and all are convolved."""
    coarse = layers.UpSampling2D(2, interpolation="bilinear", name=f"mask_up{level}")(coarse)
    fine = layers.Conv2D(channels, 1, activation="relu", name=f"mask_lateral{level}")(fine)
    both = layers.Concatenate(name=f"mask_join{level}")([coarse, fine, *more])
    return layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"mask_conv{level}")(both)
