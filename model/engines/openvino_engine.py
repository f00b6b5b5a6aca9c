"""Inference by OpenVINO: the graph is built from model.h5 and compiled in memory, in less time than TensorFlow is imported."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

import h5py
import numpy as np

from model.engines.eight_bits import read_ranges
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
) -> Callable:
    """See `engines.load`. Weights and sums are float32; products are of bfloat16, if told so, and their sums float32 still.

    With `ranges`, as model.json has them, the layers named compute in 8 bits; see `eight_bits`.

    With `threads`, as many inferences run at the same time as there are cores for. Without, the first takes all cores, and
    in bfloat16 and in 8 bits two more may run beside it on half of them each: threads that wait for one another leave a core
    idle as soon as something else wants it, and those that work alone do not. That takes the weights a second time, once it
    is needed, which in float32 would be too much memory (docs/performance.md).
    """
    with reading(path), h5py.File(path, "r") as file:
        network = read_network(file[part.group]).with_ranges(read_ranges(ranges or {}))
        graph = build(network)
    outputs = dict(zip(network.outputs, map(_shape, graph.outputs), strict=True))
    check_shapes(path, size, _shape(graph.inputs[0]), outputs.get("", outputs), part)
    precision = "bf16" if bfloat16 else "f32"
    pools = [_requests(graph, precision, threads, at_once(threads))]
    if (bfloat16 or ranges) and not threads and cores() > 1:
        pools.append(LaterPool(lambda: _requests(graph, precision, cores() // 2, 2)))

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


def _requests(graph: openvino.Model, precision: str, threads: int, streams: int) -> SimpleQueue:
    """So many inferences that may run at one time, of so many threads each, 0 for one per core. They share the weights."""
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",  # all threads of a stream work on one slice
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads * streams,
    }
    compiled = openvino.Core().compile_model(graph, DEVICE, options)
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
