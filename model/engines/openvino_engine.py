"""Inference by OpenVINO: the graph is built from model.h5 and compiled in memory, in less time than TensorFlow is imported."""

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import h5py
import numpy as np

from model.engines.network_file import check_shapes, read_network, reading
from model.engines.openvino_graph import build
from model.engines.processor import at_once
from model.engines.quiet_openvino import openvino

DEVICE = "CPU"


def computes_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; OpenVINO would imitate them on others, slowly."""
    return "BF16" in openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def load(path: Path, size: int, threads: int = 0, bfloat16: bool = False) -> Callable:
    """See `engines.load`. Weights and sums are float32, or products are of bfloat16, whose sums are float32 still.

    As many inferences run at the same time as there are cores for. They share the weights.
    """
    with reading(path), h5py.File(path, "r") as file:
        network = read_network(file)
        graph = build(network)
    outputs = dict(zip(network.outputs, map(_shape, graph.outputs), strict=True))
    check_shapes(path, size, _shape(graph.inputs[0]), outputs.get("", outputs))
    streams = at_once(threads)
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        "PERFORMANCE_HINT": "LATENCY",  # all threads of a stream work on one slice
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads * streams,
    }
    compiled = openvino.Core().compile_model(graph, DEVICE, options)
    free: SimpleQueue = SimpleQueue()
    for _ in range(streams):
        free.put(compiled.create_infer_request())

    def answer(image: np.ndarray) -> dict[str, np.ndarray]:
        request = free.get()
        try:
            results = request.infer([image])
            return {name: results[i].copy() for i, name in enumerate(outputs)}  # the next inference overwrites its own
        finally:
            free.put(request)

    def infer(batch: np.ndarray) -> dict[str, np.ndarray]:
        """One slice at a time: a batch is no faster here, and would take several times the memory."""
        batch = np.ascontiguousarray(batch, np.float32)
        answers = [answer(batch[i : i + 1]) for i in range(len(batch))]
        return {name: np.concatenate([a[name] for a in answers]) for name in outputs}

    return infer


def _shape(port) -> tuple[int | None, ...]:
    """As Keras writes it: None for any number."""
    return tuple(None if d.is_dynamic else d.get_length() for d in port.partial_shape)
