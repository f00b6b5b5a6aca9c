"""model.h5 as plain data, read without Keras: the layers of a functional Keras 3 model, and their weights."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from model.labels import LABELS

OWN = [Path(__file__).resolve().parents[1] / name for name in ("model.h5", "model.json")]  # the project's
SIGN_AND_VALUE = np.uint32(0x8FFFE000).view(np.int32)  # where the bits of a half lie in a float32, see `single`
CHANGE = ("change_left", "change_right")  # in a layer's group, beside its weights
REPAIR = "git checkout -- model/model.h5 model/model.json"


@dataclass(frozen=True)
class Part:
    """One of the networks in a model.h5.

    Attributes:
        group: of the file; where it lies, as in a file of its own.
        channels: of its input.
        outputs: their names.
    """

    group: str
    channels: int
    outputs: frozenset[str]

    def ranges_of(self, told: Mapping[str, Mapping]) -> dict[str, Mapping]:
        """Of model.json's `int8_ranges`, which are of the layers of all parts, this part's, by its layers' own names."""
        return {name.removeprefix(self._prefix): told[name] for name in told if self._owns(name)}

    def with_ranges(self, told: Mapping[str, Mapping], own: Mapping[str, Mapping]) -> dict[str, Mapping]:
        """The ranges of the layers of all parts with other ones for this part's, as `ranges_of` gives them."""
        others = {name: told[name] for name in told if not self._owns(name)}
        return others | {self._prefix + name: own[name] for name in own}

    @property
    def _prefix(self) -> str:
        return "" if self.group == "/" else f"{self.group}/"

    def _owns(self, layer: str) -> bool:
        """Whether a name in `int8_ranges` is that of a layer of this part: a layer's own name has no slash."""
        return layer.startswith(self._prefix) and "/" not in layer.removeprefix(self._prefix)


CLASSIFIER = Part("/", 3, frozenset({"probabilities", "mask", "evidence", "gate", "others"}))
CLOSEUP = Part("closeup", 2, frozenset({"mask"}))  # see model.closeup; not every model.h5 has it


class ModelFileError(Exception):
    """The model's files cannot be trusted.

    One line: the file, what was expected, what came, and, where it is one of the project's own, what repairs it.
    """

    def __init__(self, path: Path, expected: str, received: str):
        repair = f" To repair it: {REPAIR}" if Path(path).resolve() in OWN else ""
        super().__init__(f"{path}: expected {expected}. Received: {received}.{repair}")


@dataclass(frozen=True)
class Layer:
    """One layer as the file describes it.

    Attributes:
        kind: Keras' class name, such as Conv2D.
        config: its arguments.
        sources: the names of the layers it takes its inputs from, in order; none for an input.
        weights: by the last part of their names, such as `kernel`; each is read when it is taken.
        change: two matrices whose product is added to the kernel, see `model.training.low_rank`; None: nothing is.
        ranges: of each channel that it takes in, float32 (c,), where it is to compute in 8 bits; see `eight_bits`.
    """

    kind: str
    name: str
    config: dict
    sources: tuple[str, ...]
    weights: Mapping[str, h5py.Dataset]
    change: tuple[h5py.Dataset, h5py.Dataset] | None = None
    ranges: np.ndarray | None = None

    def weight(self, name: str) -> np.ndarray:
        """One of its weights, of the type that the file holds; float32 where it is changed."""
        values = self.weights[name][()]
        if name != "kernel" or not self.change:
            return values
        return changed(values, *(part[()] for part in self.change))


def changed(kernel: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A kernel, (height, width, in, out), with a change, see `model.training.low_rank`: float32, the same shape."""
    values = (single(left) @ single(right)).reshape(kernel.shape)
    values += single(kernel)  # in place: at every start these are megabytes
    return values


def single(values: np.ndarray) -> np.ndarray:
    """Finite float16 as float32, exactly; float32 as it is.

    NumPy converts one number after the other, and a start would wait for that. The bits of a half, moved to
    where a float32 has its own, are the same number but for the exponent's bias, 15 for 127 (IEEE 754, 3.6).
    """
    if values.dtype != np.float16:
        return values.astype(np.float32, copy=False)
    bits = values.view(np.int16).astype(np.int32)  # the sign is repeated to the left
    bits <<= 13
    bits &= SIGN_AND_VALUE
    moved = bits.view(np.float32)
    moved *= np.float32(2.0 ** (127 - 15))
    return moved


@dataclass(frozen=True)
class Network:
    """The layers, each after its sources, and the layers that are outputs, by the output's name ("" when there is but one)."""

    layers: tuple[Layer, ...]
    outputs: dict[str, str]

    def with_ranges(self, ranges: Mapping[str, np.ndarray]) -> "Network":
        """The same with `ranges` for each layer named. Raises ValueError when there is no such layer."""
        if unknown := set(ranges) - {layer.name for layer in self.layers}:
            raise ValueError(f"Expected ranges of the network's layers. Received: {', '.join(sorted(unknown))}")
        return replace(self, layers=tuple(replace(layer, ranges=ranges.get(layer.name)) for layer in self.layers))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever goes wrong in here is the file's fault, and is told as a ModelFileError."""
    try:
        yield
    except ModelFileError:
        raise
    except Exception as error:  # h5py, Keras and OpenVINO raise many types for a file that is not such a model
        reason = (str(error).splitlines() or [""])[0]
        raise ModelFileError(path, "a Keras model in HDF5", f"{type(error).__name__}: {reason}") from None


def check_labels(path: Path) -> None:
    """Raises ModelFileError when the file's outputs are in another order than LABELS, or the file is not one of HDF5."""
    with reading(path), h5py.File(path, "r") as file:
        labels = [str(label) for label in file.attrs.get("earlymed_labels", ())]
    if tuple(labels) != LABELS:
        raise ModelFileError(path, f"weights for the labels {', '.join(LABELS)}", ", ".join(labels) or "no labels")


def check_shapes(path: Path, size: int, inputs: tuple, outputs: tuple | dict[str, tuple], part: Part = CLASSIFIER) -> None:
    """Raises ModelFileError for a network from or to something else than the part's; shapes are as Keras gives them."""
    shape = (None, size, size, part.channels)
    if inputs != shape or not isinstance(outputs, dict) or set(outputs) != part.outputs:
        expected = f"a network from {shape} to {', '.join(sorted(part.outputs))}"
        raise ModelFileError(path, expected, f"one from {inputs} to {outputs}")


def read_network(file: h5py.Group) -> Network:
    """The network in an open model.h5, or in a group of it.

    Raises:
        KeyError, ValueError: it holds no functional model, or one that applies a layer twice.
    """
    model = json.loads(file.attrs["model_config"])
    if model["class_name"] != "Functional":
        raise ValueError(f"Expected a functional model. Received: {model['class_name']}")
    config = model["config"]
    layers = tuple(
        Layer(
            layer["class_name"],
            layer["config"]["name"],
            layer["config"],
            _sources(layer),
            *_weights(file["model_weights"], layer["config"]["name"]),
        )
        for layer in config["layers"]
    )
    outputs = config["output_layers"]
    if not isinstance(outputs, dict):
        outputs = {"": outputs[0] if isinstance(outputs[0], list) else outputs}
    return Network(layers, {name: source for name, (source, _, _) in outputs.items()})


def only_input(network: Network) -> Layer:
    """Raises ValueError when there is not exactly one."""
    inputs = [layer for layer in network.layers if layer.kind == "InputLayer"]
    if len(inputs) != 1:
        raise ValueError(f"Expected one input. Received: {len(inputs)}")
    return inputs[0]


def translation(layer: Layer, known: Mapping[str, tuple[Callable, dict]]) -> Callable:
    """What translates such a layer for an engine.

    Args:
        known: by kind: what translates it, and the arguments that must be so.

    Raises:
        ValueError: the kind is not known, or an argument is another.
    """
    if layer.kind not in known:
        raise ValueError(f"Expected layers of the kinds {', '.join(known)}. Received: {layer.kind}")
    translate, needed = known[layer.kind]
    for argument, expected in needed.items():
        if layer.config.get(argument, expected) != expected:
            raise ValueError(f"{layer.name}: expected {argument}={expected!r}. Received: {layer.config[argument]!r}")
    return translate


def _sources(layer: dict) -> tuple[str, ...]:
    """Keras writes each call of a layer with its arguments, the tensors among them as (layer, call, output)."""
    calls = layer["inbound_nodes"]
    if len(calls) > 1:
        raise ValueError(f"Expected each layer to be called once. Received: {len(calls)} calls of {layer['config']['name']}")
    found: list[str] = []

    def look(value) -> None:
        if isinstance(value, dict) and "keras_history" in value:
            found.append(value["keras_history"][0])
        elif isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                look(part)

    look(calls)
    return tuple(found)


def weight_paths(group: h5py.Group) -> dict[str, str]:
    """Where a layer's group holds its weights, by the last part of their names."""
    paths = [p.decode() if isinstance(p, bytes) else str(p) for p in group.attrs.get("weight_names", ())]
    return {path.rsplit("/", 1)[-1]: path for path in paths}


def _weights(groups: h5py.Group, name: str) -> tuple[dict[str, h5py.Dataset], tuple | None]:
    """A layer's weights, and what changes its kernel."""
    if name not in groups:
        return {}, None
    group = groups[name]
    weights = {weight: group[path] for weight, path in weight_paths(group).items()}
    return weights, tuple(group[part] for part in CHANGE) if CHANGE[0] in group else None
