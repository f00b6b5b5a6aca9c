"""The network itself: how many operations it takes, how fast they are done, and how fast this machine could do them."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from model.engines import load
from model.engines.network_file import read_network
from model.engines.openvino_engine import DEVICE, computes_bfloat16
from model.engines.openvino_graph import build
from model.engines.processor import cores
from model.engines.quiet_openvino import openvino
from model.engines.quiet_openvino import opset13 as ops

PRECISIONS = {"ncnn": "f32", "openvino": "f32", "openvino-bf16": "bf16"}
SIDES = (1024, 2048, 3072)  # of the products that the peak is looked for with


def engines() -> dict[str, str]:
    """Each engine's precision, as OpenVINO calls it, of those that this processor has instructions for."""
    return {engine: hint for engine, hint in PRECISIONS.items() if hint == "f32" or computes_bfloat16()}


def peak_gflops(hint: str, seconds: float = 2.0) -> float:
    """The most operations per second (10**9) that a product of two square matrices reaches here, on all cores."""
    best = 0.0
    for side in SIDES:
        left = ops.parameter([side, side], np.float32)
        right = ops.constant(np.random.default_rng(0).random((side, side), np.float32))
        graph = openvino.Model([ops.matmul(left, right, False, False)], [left])
        request = openvino.Core().compile_model(graph, DEVICE, options(hint)).create_infer_request()
        request.infer([np.ones((side, side), np.float32)])
        best = max(best, 2e-9 * side**3 / fastest(request.infer, seconds / len(SIDES)))
    if hint == "f32":  # another library may know a faster way
        a = np.ones((2048, 2048), np.float32)
        best = max(best, 2e-9 * 2048**3 / fastest(lambda: a @ a, seconds / len(SIDES)))
    return best


def options(hint: str) -> dict:
    return {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "PERF_COUNT": True}


def fastest(task, seconds: float) -> float:
    """The shortest of its times, in seconds, tried for as long as told and at least three times."""
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times)


def graph_of(path: Path, side: int) -> "openvino.Model":
    """The network in a model.h5, for one slice."""
    with h5py.File(path, "r") as file:
        graph = build(read_network(file))
    graph.reshape([1, side, side, 3])
    return graph


def convolution_gflop(graph) -> float:
    """Operations (10**9) of a graph's convolutions; a multiplication and an addition are two."""
    total = 0
    for node in graph.get_ops():
        if node.get_type_name() == "Convolution":
            places = np.prod(node.output(0).get_shape())
            _, inputs, *kernel = node.input(1).get_shape()
            total += 2 * places * inputs * np.prod(kernel)
    return float(total) * 1e-9


def speed(graph, hint: str, runs: int) -> dict[str, float]:
    """Median milliseconds of one slice, and of its convolutions alone, as OpenVINO's own counters have them."""
    request = openvino.Core().compile_model(graph, DEVICE, options(hint)).create_infer_request()
    image = np.random.default_rng(0).random(list(graph.inputs[0].shape), np.float32)
    whole, convolutions = [], []
    for _ in range(runs + 3):
        start = time.perf_counter()
        request.infer([image])
        whole.append((time.perf_counter() - start) * 1000)
        nodes = (node for node in request.profiling_info if node.node_type == "Convolution")
        convolutions.append(sum(node.real_time.total_seconds() for node in nodes) * 1000)
    return {"ms": float(np.median(whole[3:])), "convolutions_ms": float(np.median(convolutions[3:]))}


def speed_by_ncnn(path: Path, side: int, runs: int) -> dict[str, float]:
    """Median milliseconds of one slice. ncnn counts nothing, so its convolutions are given all of them."""
    infer = load(path, side, "ncnn", threads=0)
    image = np.random.default_rng(0).random((1, side, side, 3), np.float32)
    times = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        infer(image)
        times.append((time.perf_counter() - start) * 1000)
    whole = float(np.median(times[3:]))
    return {"ms": whole, "convolutions_ms": whole}


def per_second(path: Path, side: int, engine: str, runs: int) -> float:
    """Slices that the network answers a second when every core works on one of its own."""
    infer, image = load(path, side, engine, threads=1), np.random.default_rng(0).random((1, side, side, 3), np.float32)
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(infer, [image] * 2 * cores()))
        start = time.perf_counter()
        list(pool.map(infer, [image] * runs * cores()))
    return runs * cores() / (time.perf_counter() - start)


def measure(path: Path, side: int, runs: int = 40) -> dict:
    """For each engine: the machine's peak, the network's speed and what share of the peak its convolutions reach.

    Operations are those of the convolutions as they are defined. Winograd's, by ncnn, takes fewer, and may pass the peak.
    """
    graph = graph_of(path, side)
    gflop = convolution_gflop(graph)
    report = {}
    for engine, hint in engines().items():
        times = speed_by_ncnn(path, side, runs) if engine == "ncnn" else speed(graph, hint, runs)
        peak = peak_gflops(hint)
        reached = gflop / times["convolutions_ms"] * 1000
        report[engine] = {
            "ms": round(times["ms"], 2),
            "per_second": round(per_second(path, side, engine, runs), 2),
            "convolutions_ms": round(times["convolutions_ms"], 2),
            "gflops": round(reached, 1),
            "peak_gflops": round(peak, 1),
            "of_peak": round(reached / peak, 3),
        }
    return {"side": side, "gflop": round(gflop, 2), "engines": report}
