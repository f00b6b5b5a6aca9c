"""Inference by OpenVINO: the graph is built from model.h5 and compiled, in less time than TensorFlow is imported, and kept."""

import io
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

import h5py
import numpy as np

from model.engines import eight_bits, network_file, openvino_graph
from model.engines.eight_bits import read_ranges
from model.engines.kept_graphs import Shelf
from model.engines.network_file import CLASSIFIER, Part, check_shapes, read_network, reading
from model.engines.openvino_graph import build
from model.engines.processor import at_once, cores
from model.engines.quiet_openvino import openvino
from model.later import Later

DEVICE = "CPU"


def computes_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; OpenVINO would imitate them on others, slowly."""
    return "BF16" in openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def load(
    path: Path,
    size: int,
    threads: int = 0,
    bfloat16: bool = False,
    ranges: Mapping[str, Mapping] | None = None,
    part: Part = CLASSIFIER,
    shelf: Shelf | None = None,
) -> Callable:
    """See `engines.load`. Weights and sums are float32; products are of bfloat16, if told so, and their sums float32 still.

    With `ranges`, as model.json has them, the layers named compute in 8 bits; see `eight_bits`. What is compiled is
    kept on the `shelf`, if there is one, and taken from there when it is wanted again.

    With `threads`, as many inferences run at the same time as there are cores for. Without, the first takes all cores, and
    in bfloat16 and in 8 bits two more may run beside it on half of them each: threads that wait for one another leave a core
    idle as soon as something else wants it, and those that work alone do not. That takes the weights a second time, once it
    is needed, which in float32 would be too much memory (docs/performance.md).
    """
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        "PERFORMANCE_HINT": "LATENCY",  # all threads of a stream work on one slice
    }
    name = shelf and shelf.name(part.group, str(size), json.dumps([ranges, options]), *_makers())
    first = options | _streams(threads, at_once(threads))
    graph, compiled = _compiled(lambda: _graph(path, size, ranges, part), first, shelf, name)
    outputs = [port.get_any_name() for port in compiled.outputs]
    pools = [_requests(compiled, at_once(threads))]
    if (bfloat16 or ranges) and not threads and cores() > 1:
        beside = options | _streams(cores() // 2, 2)
        pools.append(LaterPool(lambda: _requests(_compile(graph, beside), 2)))

    def answer(image: np.ndarray) -> dict[str, np.ndarray]:
        pool, request = _free(pools)
        try:
            results = request.infer([image])
            return {name: results[i].copy() for i, name in enumerate(outputs)}  # the next inference overwrites its own
        finally:
            pool.put(request)

    def infer(batch: np.ndarray) -> dict[str, np.ndarray]:
        """One slice at a time: a batch is no faster here, and would take several times the memory."""
        batch = np.ascontiguousarray(batch, np.float32)
        answers = [answer(batch[i : i + 1]) for i in range(len(batch))]
        return {name: np.concatenate([a[name] for a in answers]) for name in outputs}

    return infer


def _graph(path: Path, size: int, ranges: Mapping[str, Mapping] | None, part: Part) -> openvino.Model:
    """Of one slice; its outputs bear the network's names for them."""
    with reading(path), h5py.File(path, "r") as file:
        network = read_network(file[part.group]).with_ranges(read_ranges(ranges or {}))
        graph = build(network)
    outputs = dict(zip(network.outputs, map(_shape, graph.outputs), strict=True))
    given = _shape(graph.inputs[0])
    check_shapes(path, size, given, outputs.get("", outputs), part)
    for name, port in zip(network.outputs, graph.outputs, strict=True):
        port.get_tensor().set_names({name})
    graph.reshape([1, *given[1:]])  # a graph for any number of slices works out all its shapes at each of them
    return graph


def _compiled(
    make: Callable[[], openvino.Model], options: Mapping, shelf: Shelf | None, name: str | None
) -> tuple[openvino.Model | bytes, openvino.CompiledModel]:
    """A graph, and the same compiled: from the shelf, where it lies there under that name, else made, and put there."""
    kept = shelf and shelf.read(name)
    if kept:
        with suppress(RuntimeError):
            return kept, _compile(kept, options)
    graph = make()
    compiled = _compile(graph, options)
    if shelf:
        exported = io.BytesIO()
        compiled.export_model(exported)
        shelf.write(name, exported.getbuffer())
    return graph, compiled


def _compile(graph: openvino.Model | bytes, options: Mapping) -> openvino.CompiledModel:
    """A graph, or one that was compiled before; of that OpenVINO raises RuntimeError where it cannot take it."""
    core = openvino.Core()
    return (core.import_model if isinstance(graph, bytes) else core.compile_model)(graph, DEVICE, options)


def _makers() -> list[str | bytes]:
    """What else a compiled graph depends on: the code that builds it, OpenVINO, and the processor."""
    core = openvino.Core()
    processor = [str(core.get_property(DEVICE, told)) for told in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    code = [Path(module.__file__).read_bytes() for module in (openvino_graph, eight_bits, network_file)]
    return [openvino.__version__, *processor, *code]


def _streams(threads: int, streams: int) -> dict[str, int]:
    """So many inferences at one time, of so many threads each, 0 for one per core."""
    return {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": threads * streams}


def _requests(compiled: openvino.CompiledModel, streams: int) -> SimpleQueue:
    """As many inferences as may run at one time. They share the weights."""
    free: SimpleQueue = SimpleQueue()
    for _ in range(streams):
        free.put(compiled.create_infer_request())
    return free


class LaterPool(Later[SimpleQueue]):
    """A pool that is made when it is first asked."""

    def get(self) -> openvino.InferRequest:
        return self.made().get()

    def put(self, request: openvino.InferRequest) -> None:
        self.made().put(request)


def _free(pools: list) -> tuple[SimpleQueue | LaterPool, openvino.InferRequest]:
    """The first pool that has a request to give, else the last one as soon as it has; and the request."""
    for pool in pools[:-1]:
        with suppress(Empty):
            return pool, pool.get_nowait()
    return pools[-1], pools[-1].get()


def _shape(port) -> tuple[int | None, ...]:
    """As Keras writes it: None for any number."""
    return tuple(None if d.is_dynamic else d.get_length() for d in port.partial_shape)
