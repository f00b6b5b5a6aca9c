"""From the layers in model.h5 to an OpenVINO graph that computes the same.

Keras keeps channels last, (n, h, w, c). OpenVINO convolves channels first, so every value of four dimensions is kept as
(n, c, h, w) here, and turned back where a layer looks at the order: at reshapes and at the outputs.
"""

from collections.abc import Callable

import numpy as np

from model.engines.eight_bits import rounded_input, rounded_kernel
from model.engines.network_file import Layer, Network, only_input, single, translation
from model.engines.quiet_openvino import openvino, opset1
from model.engines.quiet_openvino import opset13 as ops

Node = openvino.Node

CHANNELS_FIRST, CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
AXES = {0: 0, 1: 2, 2: 3, 3: 1, -1: 1, -2: 3, -3: 2}  # of a value of four dimensions: Keras' axis -> ours
PADDING = {"same": "same_upper", "valid": "valid"}
ACTIVATIONS = {"linear": lambda x: x, "relu": ops.relu, "sigmoid": ops.sigmoid}


def build(network: Network) -> openvino.Model:
    """The graph, for any number of slices at a time; its outputs are in the network's order.

    Weights are float32, but for those of convolutions with `ranges`, which compute in 8 bits.

    Raises:
        ValueError: the network has not one input, or a layer of a kind, or with an argument, that is not translated here.
    """
    _, *shape = only_input(network).config["batch_shape"]
    given = ops.parameter([-1, *shape], np.float32, name=only_input(network).name)
    values: dict[str, Node] = {}
    for layer in network.layers:
        if layer.kind == "InputLayer":
            values[layer.name] = _channels_first(given)
        else:
            values[layer.name] = translation(layer, TRANSLATIONS)(layer, *(values[source] for source in layer.sources))
    results = [ops.result(_channels_last(values[source])) for source in network.outputs.values()]
    return openvino.Model(results, [given], "earlymed")


def _rank(x: Node) -> int:
    return len(x.get_output_partial_shape(0))


def _channels_first(x: Node) -> Node:
    return ops.transpose(x, ops.constant(CHANNELS_FIRST)) if _rank(x) == 4 else x


def _channels_last(x: Node) -> Node:
    return ops.transpose(x, ops.constant(CHANNELS_LAST)) if _rank(x) == 4 else x


def _axis(x: Node, axis: int) -> int:
    return AXES[axis] if _rank(x) == 4 else axis


def _constant(values: np.ndarray) -> Node:
    return ops.constant(np.ascontiguousarray(single(values)))


def _finish(layer: Layer, x: Node) -> Node:
    """Bias and activation."""
    if layer.config["use_bias"]:
        bias = layer.weight("bias")
        x = ops.add(x, _constant(bias.reshape(1, -1, 1, 1) if _rank(x) == 4 else bias))
    activation = layer.config["activation"]
    if activation not in ACTIVATIONS:
        raise ValueError(f"{layer.name}: expected one of {', '.join(ACTIVATIONS)} as activation. Received: {activation!r}")
    return ACTIVATIONS[activation](x)


def _convolution(layer: Layer, x: Node) -> Node:
    config = layer.config
    x, kernel = _operands(layer, x, single(layer.weight("kernel")))
    x = ops.convolution(x, kernel, config["strides"], [0, 0], [0, 0], config["dilation_rate"], PADDING[config["padding"]])
    return _finish(layer, x)


def _operands(layer: Layer, x: Node, kernel: np.ndarray) -> tuple[Node, Node]:
    """What a convolution takes: the values, and the kernel, which Keras keeps as (height, width, in, out)."""
    if layer.ranges is None:
        return x, _float_kernel(kernel)
    if kernel.shape[2] != len(layer.ranges):
        raise ValueError(f"{layer.name}: expected {kernel.shape[2]} ranges. Received: {len(layer.ranges)}")
    return rounded_input(x, layer.ranges), rounded_kernel(kernel, layer.ranges)


def _float_kernel(kernel: np.ndarray) -> Node:
    """In OpenVINO's order, (out, in, height, width); turned place by place, in half the time that all at once would take."""
    turned = np.empty(kernel.T.shape[:2] + kernel.shape[:2], np.float32)
    for y, x in np.ndindex(kernel.shape[:2]):
        turned[:, :, y, x] = kernel[y, x].T
    return ops.constant(turned)


def _dense(layer: Layer, x: Node) -> Node:
    """Over the channels: where there are places, that is a convolution with a kernel of one pixel."""
    kernel = single(layer.weight("kernel"))
    if _rank(x) == 4:
        x = ops.convolution(*_operands(layer, x, kernel[None, None]), [1, 1], [0, 0], [0, 0], [1, 1])
    elif layer.ranges is None:
        x = ops.matmul(x, _constant(kernel), False, False)
    else:
        raise ValueError(f"{layer.name}: expected places where it is to compute in 8 bits. Received: a vector")
    return _finish(layer, x)


def _max_pooling(layer: Layer, x: Node) -> Node:
    config = layer.config
    padding = PADDING[config["padding"]]
    return opset1.max_pool(x, config["strides"], [0, 0], [0, 0], config["pool_size"], "floor", padding)


def _upsampling(layer: Layer, x: Node) -> Node:
    scales = ops.constant(np.array(layer.config["size"], np.float32))
    return ops.interpolate(x, scales, "linear_onnx", "scales", coordinate_transformation_mode="half_pixel", axes=[2, 3])


def _concatenation(layer: Layer, *inputs: Node) -> Node:
    return ops.concat(list(inputs), _axis(inputs[0], layer.config["axis"]))


def _reshape(layer: Layer, x: Node) -> Node:
    target = ops.constant([0, *layer.config["target_shape"]])
    return _channels_first(ops.reshape(_channels_last(x), target, special_zero=True))


def _softmax(layer: Layer, x: Node) -> Node:
    return ops.softmax(x, _axis(x, layer.config["axis"]))


def _rescaling(layer: Layer, x: Node) -> Node:
    scale, offset = np.float32(layer.config["scale"]), np.float32(layer.config["offset"])
    return ops.add(ops.multiply(x, ops.constant(scale)), ops.constant(offset))


def _multiplication(layer: Layer, x: Node, y: Node) -> Node:
    return ops.multiply(x, y)


def _mean_over_places(layer: Layer, x: Node) -> Node:
    return ops.reduce_mean(x, ops.constant([2, 3]), keep_dims=layer.config.get("keepdims", False))


def _subtraction(layer: Layer, x: Node, y: Node) -> Node:
    return ops.subtract(x, y)


def _relu(layer: Layer, x: Node) -> Node:
    return ops.relu(x)


def _unit_length(layer: Layer, x: Node) -> Node:
    return ops.normalize_l2(x, ops.constant([_axis(x, layer.config["axis"])]), 1e-12, "max")


def _identity(layer: Layer, x: Node) -> Node:
    return x


LAST = {"data_format": "channels_last"}
TRANSLATIONS: dict[str, tuple[Callable[..., Node], dict]] = {  # kind: (its translation, arguments that must be so)
    "Conv2D": (_convolution, LAST | {"groups": 1}),
    "MaxPooling2D": (_max_pooling, LAST),
    "UpSampling2D": (_upsampling, LAST | {"interpolation": "bilinear"}),
    "Dense": (_dense, {}),
    "Concatenate": (_concatenation, {}),
    "Reshape": (_reshape, {}),
    "Softmax": (_softmax, {}),
    "Rescaling": (_rescaling, {}),
    "Multiply": (_multiplication, {}),
    "Subtract": (_subtraction, {}),
    "ReLU": (_relu, {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "UnitNormalization": (_unit_length, {}),
    "GlobalAveragePooling2D": (_mean_over_places, LAST),
    "SpatialDropout2D": (_identity, {}),  # drops in training only
    "Dropout": (_identity, {}),
}
