"""From the layers in model.h5 to what ncnn reads: its graph as text, and the weights as a stream of bytes.

ncnn knows no batch and keeps channels first, (c, h, w); a value of two dimensions in Keras, places with one channel, has one.
https://github.com/Tencent/ncnn/wiki/operators names the layers and numbers their arguments.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from model.engines.network_file import Layer, Network, only_input, translation

ACTIVATIONS = {"linear": 0, "relu": 1, "sigmoid": 4}
SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM = 1, 2, 3, 4  # of BinaryOp
MEAN, LENGTH = 3, 8  # of Reduction
SAME = -233  # padding, the odd pixel below
HALF = np.uint32(0x01306B47).tobytes()  # before weights in float16
NO_WINOGRAD = 64
FEW_PLACES = 16  # Winograd's weights take four times the memory, and on so small a side gain no time


@dataclass
class Graph:
    """What is built layer by layer.

    Attributes:
        lines: of the text, without its head.
        weights: in the order of the lines, each made when it is asked for.
        shapes: of each value, as Keras gives them but for the batch.
    """

    lines: list[str] = field(default_factory=list)
    weights: list[Callable[[], bytes]] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _copies: dict[str, Iterator[str]] = field(default_factory=dict)

    def text(self) -> str:
        blobs = sum(int(line.split()[3]) for line in self.lines)
        return "\n".join(["7767517", f"{len(self.lines)} {blobs}", *self.lines, ""])

    def add(self, kind: str, name: str, sources: list[str], arguments: dict[int, object] | None = None) -> str:
        """A layer with one output, which has its name. `arguments` are numbered as ncnn does."""
        taken = [next(self._copies[source]) if source in self._copies else source for source in sources]
        numbered = [f"{key}={value}" for key, value in (arguments or {}).items()]
        self.lines.append(" ".join([kind, name, str(len(taken)), "1", *taken, name, *numbered]))
        return name

    def split(self, name: str, times: int) -> None:
        """A value that is used several times has to be handed on by name to each."""
        copies = [f"{name}_{n}" for n in range(times)]
        self.lines.append(f"Split split_{name} 1 {times} {' '.join([name, *copies])}")
        self._copies[name] = iter(copies)

    def result(self, name: str) -> str:
        """The name under which an output is found."""
        return next(self._copies[name]) if name in self._copies else name


def build(network: Network) -> tuple[Graph, dict[str, str]]:
    """The graph, and under which name each output is found.

    Raises:
        ValueError: the network has not one input, or a layer of a kind, or with an argument, that is not translated here.
    """
    graph = Graph()
    same: dict[str, str] = {}  # layers that do nothing here -> the value they hand on

    def value(name: str) -> str:
        return value(same[name]) if name in same else name

    for layer in network.layers:
        if layer.kind in DOES_NOTHING:
            same[layer.name] = layer.sources[0]
    uses = [value(source) for layer in network.layers if layer.name not in same for source in layer.sources]
    uses += [value(source) for source in network.outputs.values()]
    only_input(network)

    for layer in network.layers:
        if layer.name in same:
            continue
        if layer.kind == "InputLayer":
            graph.lines.append(f"Input {layer.name} 0 1 {layer.name}")
            graph.shapes[layer.name] = tuple(layer.config["batch_shape"][1:])
        else:
            sources = [value(source) for source in layer.sources]
            graph.shapes[layer.name] = translation(layer, TRANSLATIONS)(graph, layer, sources)
        if (times := uses.count(layer.name)) > 1:
            graph.split(layer.name, times)
    return graph, {name: graph.result(value(source)) for name, source in network.outputs.items()}


def _activation(layer: Layer) -> int:
    activation = layer.config["activation"]
    if activation not in ACTIVATIONS:
        raise ValueError(f"{layer.name}: expected one of {', '.join(ACTIVATIONS)} as activation. Received: {activation!r}")
    return ACTIVATIONS[activation]


def _kernel(graph: Graph, layer: Layer, order: tuple[int, ...]) -> int:
    """Puts a layer's weights on the stream, the kernel with its axes in that order; returns how many the kernel has."""

    def kernel() -> bytes:
        values = layer.weight("kernel")
        tag = HALF if values.dtype == np.float16 else bytes(4)
        content = np.ascontiguousarray(values.transpose(order)).tobytes()
        return tag + content + bytes(-len(content) % 4)

    graph.weights.append(kernel)
    if layer.config["use_bias"]:
        graph.weights.append(lambda: layer.weight("bias").astype(np.float32).tobytes())
    return int(np.prod(layer.weights["kernel"].shape))


def _convolve(graph: Graph, layer: Layer, sources: list[str], size: int, padding: int, order: tuple[int, ...]) -> int:
    """A convolution; returns the number of its channels."""
    height, width, _ = graph.shapes[sources[0]]
    channels = layer.weights["kernel"].shape[-1]
    arguments = {0: channels, 1: size, 4: padding, 5: int(layer.config["use_bias"])}
    arguments |= {6: _kernel(graph, layer, order), 9: _activation(layer)}
    if min(height, width) < FEW_PLACES:
        arguments[31] = NO_WINOGRAD
    graph.add("Convolution", layer.name, sources, arguments)
    return channels


def _convolution(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    height, width, _ = graph.shapes[sources[0]]
    size, other = layer.config["kernel_size"]
    if size != other:
        raise ValueError(f"{layer.name}: expected a square kernel. Received: {size} x {other}")
    padding, lost = {"same": (SAME, 0), "valid": (0, size - 1)}[layer.config["padding"]]
    return height - lost, width - lost, _convolve(graph, layer, sources, size, padding, (3, 2, 0, 1))


def _dense(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    """Over the channels: where there are places, that is a convolution with a kernel of one pixel."""
    shape = graph.shapes[sources[0]]
    units = layer.weights["kernel"].shape[-1]
    if len(shape) == 3:
        _convolve(graph, layer, sources, 1, 0, (1, 0))
    else:
        weights = _kernel(graph, layer, (1, 0))
        bias = int(layer.config["use_bias"])
        graph.add("InnerProduct", layer.name, sources, {0: units, 1: bias, 2: weights, 9: _activation(layer)})
    return *shape[:-1], units


def _max_pooling(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    height, width, channels = graph.shapes[sources[0]]
    graph.add("Pooling", layer.name, sources, {0: 0, 1: 2, 2: 2, 5: 1})
    return height // 2, width // 2, channels


def _upsampling(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    height, width, channels = graph.shapes[sources[0]]
    down, across = layer.config["size"]
    graph.add("Interp", layer.name, sources, {0: 2, 1: float(down), 2: float(across)})
    return height * down, width * across, channels


def _concatenation(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    shapes = [graph.shapes[source] for source in sources]
    if layer.config["axis"] not in (-1, len(shapes[0])):
        raise ValueError(f"{layer.name}: expected the last axis. Received: {layer.config['axis']}")
    graph.add("Concat", layer.name, sources, {0: 0})
    return *shapes[0][:-1], sum(shape[-1] for shape in shapes)


def _reshape(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    """Of one channel, so that it does not matter that Keras has the channels last."""
    shape, target = graph.shapes[sources[0]], tuple(layer.config["target_shape"])
    if shape[-1] != 1 or target[-1] != 1 or len(target) not in (2, 3):
        raise ValueError(f"{layer.name}: expected a shape of two or three dimensions with one channel. Received: {target}")
    sides = {0: target[0]} if len(target) == 2 else {0: target[1], 1: target[0], 2: 1}
    graph.add("Reshape", layer.name, sources, sides)
    return target


def _softmax(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    shape = graph.shapes[sources[0]]
    over_all = len(shape) == 1 or (len(shape) == 2 and layer.config["axis"] == 1)
    if not over_all:
        raise ValueError(f"{layer.name}: expected all values of a slice. Received: axis {layer.config['axis']} of {shape}")
    graph.add("Softmax", layer.name, sources, {0: 0, 1: 1})
    return shape


def _rescaling(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    graph.add("BinaryOp", layer.name, sources, {0: MULTIPLY, 1: 1, 2: float(layer.config["scale"])})
    return graph.shapes[sources[0]]


def _broadcast(kind: int) -> Callable[[Graph, Layer, list[str]], tuple[int, ...]]:
    """Of two values of which one has a side of one where the other has more, or of equal shapes."""

    def translate(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
        graph.add("BinaryOp", layer.name, sources, {0: kind})
        return tuple(map(max, *(graph.shapes[source] for source in sources)))

    return translate


def _mean_over_places(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    channels = graph.shapes[sources[0]][-1]
    keep = bool(layer.config.get("keepdims", False))
    graph.add("Reduction", layer.name, sources, {0: MEAN, 1: 0, -23303: "2,1,2", 4: int(keep), 5: 1})
    return (1, 1, channels) if keep else (channels,)


def _relu(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    graph.add("ReLU", layer.name, sources)
    return graph.shapes[sources[0]]


def _unit_length(graph: Graph, layer: Layer, sources: list[str]) -> tuple[int, ...]:
    """Divided by its length, which is no less than Keras allows: the root of 1e-12."""
    [source] = sources
    shape = graph.shapes[source]
    if len(shape) != 1:
        raise ValueError(f"{layer.name}: expected a value of one dimension. Received: {shape}")
    name = layer.name
    inner = graph.add("Noop", f"{name}_input", sources)
    graph.split(inner, 2)
    graph.add("Reduction", f"{name}_length", [inner], {0: LENGTH, 1: 1, 4: 1})
    graph.add("BinaryOp", f"{name}_longer", [f"{name}_length"], {0: MAXIMUM, 1: 1, 2: 1e-6})
    graph.add("BinaryOp", name, [inner, f"{name}_longer"], {0: DIVIDE})
    return shape


LAST = {"data_format": "channels_last"}
TRANSLATIONS: dict[str, tuple[Callable[[Graph, Layer, list[str]], tuple[int, ...]], dict]] = {
    # kind: (its translation, which returns the value's shape; arguments that must be so)
    "Conv2D": (_convolution, LAST | {"groups": 1, "strides": [1, 1], "dilation_rate": [1, 1]}),
    "MaxPooling2D": (_max_pooling, LAST | {"padding": "valid", "pool_size": [2, 2], "strides": [2, 2]}),
    "UpSampling2D": (_upsampling, LAST | {"interpolation": "bilinear"}),
    "Dense": (_dense, {}),
    "Concatenate": (_concatenation, {}),
    "Reshape": (_reshape, {}),
    "Softmax": (_softmax, {}),
    "Rescaling": (_rescaling, {"offset": 0.0}),
    "Multiply": (_broadcast(MULTIPLY), {}),
    "Subtract": (_broadcast(SUBTRACT), {}),
    "ReLU": (_relu, {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "UnitNormalization": (_unit_length, {}),
    "GlobalAveragePooling2D": (_mean_over_places, LAST),
}
DOES_NOTHING = ("SpatialDropout2D", "Dropout")  # they drop in training only
