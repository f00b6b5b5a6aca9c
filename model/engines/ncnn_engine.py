"""Inference by ncnn in float32, whose convolutions are Winograd's: fewer multiplications for the same sums.

Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308.
"""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import BoundedSemaphore

import h5py
import ncnn
import numpy as np

from model.engines.ncnn_graph import build
from model.engines.network_file import CLASSIFIER, Part, check_shapes, only_input, read_network, reading
from model.engines.processor import at_once, cores

address_in = ctypes.pythonapi.PyCapsule_GetPointer
address_in.restype, address_in.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


class Weights(ncnn.DataReader):
    """The weights, read by ncnn layer by layer, so that they lie in no file and are in memory once."""

    def __init__(self, parts: Iterator[bytes]):
        super().__init__()
        self.parts, self.rest = parts, b""
        self.error: Exception | None = None

    def read(self, capsule, size: int) -> int:
        """Copies so many bytes to the address in the capsule; returns how many there were.

        No exception may pass through ncnn, which is compiled without them: it is kept for who asked for the weights.
        """
        try:
            while len(self.rest) < size and (part := next(self.parts, b"")):
                self.rest += part
        except Exception as error:
            self.error = error
            return 0
        taken, self.rest = self.rest[:size], self.rest[size:]
        ctypes.memmove(address_in(capsule, None), taken, len(taken))
        return len(taken)


def load(path: Path, size: int, threads: int = 0, part: Part = CLASSIFIER) -> Callable:
    """See `engines.load`. As many inferences run at the same time as there are cores for. They share the weights."""
    net, pools = ncnn.Net(), [ncnn.PoolAllocator(), ncnn.PoolAllocator()]
    options = net.opt
    options.num_threads = threads or cores()
    options.use_vulkan_compute = options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
    options.use_bf16_storage = options.use_bf16_packed = False
    options.blob_allocator, options.workspace_allocator = pools
    with reading(path), h5py.File(path, "r") as file:
        network = read_network(file[part.group])
        graph, results = build(network)
        outputs = {name: (None, *graph.shapes[source]) for name, source in network.outputs.items()}
        source = only_input(network).name
        check_shapes(path, size, (None, *graph.shapes[source]), outputs.get("", outputs), part)
        weights = Weights(values() for values in graph.weights)
        if net.load_param_mem(graph.text()) or net.load_model(weights):
            raise weights.error or ValueError("ncnn cannot read the graph or its weights")
    free = BoundedSemaphore(at_once(threads))

    def answer(image: np.ndarray) -> dict[str, np.ndarray]:
        channels = np.ascontiguousarray(image.transpose(2, 0, 1))  # ncnn reads it in place
        with free:
            extractor = net.create_extractor()
            extractor.input(source, ncnn.Mat(channels))
            given = {}
            for name, result in results.items():
                failed, value = extractor.extract(result)
                if failed:
                    raise RuntimeError(f"ncnn gave no {name}: {failed}")
                given[name] = np.array(value)  # a copy: the extractor's memory goes back to its pool
        return {name: value.transpose(1, 2, 0) if value.ndim == 3 else value for name, value in given.items()}

    def infer(batch: np.ndarray) -> dict[str, np.ndarray]:
        """One slice at a time: ncnn knows no batch."""
        answers = [answer(image) for image in np.asarray(batch, np.float32)]
        return {name: np.stack([a[name] for a in answers]) for name in results}

    infer.pools = pools  # they must not go before the network
    return infer
