"""The network itself: how many operations it takes, how fast they are done, and how fast this machine could do them."""

import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from model.engines import load
from model.engines.eight_bits import read_ranges, whole_steps
from model.engines.network_file import CLASSIFIER, read_network
from model.engines.openvino_engine import DEVICE, computes_bfloat16
from model.engines.openvino_graph import build
from model.engines.processor import computes_int8, cores
from model.engines.quiet_openvino import openvino
from model.engines.quiet_openvino import opset13 as ops

PRECISIONS = {"ncnn": "f32", "openvino": "f32", "openvino-bf16": "bf16", "openvino-int8": "int8"}
SIDES = (1024, 2048, 3072)  # of the products that the peak is looked for with
ROUNDS = 5  # in each of which peak and network are measured, so that what else the machine does hits both


def engines() -> dict[str, str]:
    """Each engine's precision, of those that this processor has instructions for."""
    there = {"f32": True, "bf16": computes_bfloat16(), "int8": computes_int8()}
    return {engine: precision for engine, precision in PRECISIONS.items() if there[precision]}


def products(precision: str) -> list[tuple[Callable[[], object], float]]:
    """Products of two square matrices on all cores, and the operations (10**9) of each."""
    found: list[tuple[Callable[[], object], float]] = []
    for side in SIDES:
        left, right = ops.parameter([side, side], np.float32), np.random.default_rng(0).random((side, side), np.float32)
        product = ops.matmul(*_operands(left, right, precision == "int8"), False, False)
        graph = openvino.Model([product], [left])
        request = openvino.Core().compile_model(graph, DEVICE, options(precision)).create_infer_request()
        request.infer([np.ones((side, side), np.float32)])
        found.append((request.infer, 2e-9 * side**3))
    if precision == "f32":  # another library may know a faster way
        a = np.ones((2048, 2048), np.float32)
        found.append((lambda: a @ a, 2e-9 * 2048**3))
    return found


def peak_gflops(tasks: list[tuple[Callable[[], object], float]], seconds: float = 0.4) -> float:
    """The most operations per second (10**9) that one of these tasks reaches."""
    return max(gflop / fastest(task, seconds / len(tasks)) for task, gflop in tasks)


def _operands(left, right: np.ndarray, eight_bits: bool) -> tuple:
    if not eight_bits:
        return left, ops.constant(right)
    steps, size = whole_steps(right[None, None], np.ones(len(right), np.float32))
    return ops.fake_quantize(left, *map(ops.constant, np.float32([0, 1, 0, 1])), 256), ops.multiply(
        ops.convert(ops.constant(np.ascontiguousarray(steps[..., 0, 0].T)), "f32"), ops.constant(size[None])
    )


def options(precision: str) -> dict:
    hint = "bf16" if precision == "bf16" else "f32"  # 8 bits are in the graph; what is left is float32
    return {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "PERF_COUNT": True}


def fastest(task, seconds: float) -> float:
    """The shortest of its times, in seconds, tried for as long as told and at least three times."""
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times)


def graph_of(path: Path, side: int, ranges: dict[str, dict] | None = None) -> "openvino.Model":
    """The network in a model.h5, for one slice; in 8 bits within the ranges, as model.json has them."""
    with h5py.File(path, "r") as file:
        graph = build(read_network(file).with_ranges(read_ranges(ranges or {})))
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


def slice_by_openvino(graph, precision: str) -> Callable[[], tuple[float, float]]:
    """Answers one slice: milliseconds, and those of its convolutions alone.

    OpenVINO's own counters are means over all that was answered so far, slow first answers and all; so what is taken from them
    is only which share of the operations' time the convolutions have.
    """
    request = openvino.Core().compile_model(graph, DEVICE, options(precision)).create_infer_request()
    image = np.random.default_rng(0).random(list(graph.inputs[0].shape), np.float32)

    def answer() -> tuple[float, float]:
        whole = milliseconds(lambda: request.infer([image]))
        return whole, whole * share_of_convolutions(request.profiling_info)

    return answer


def share_of_convolutions(nodes: list) -> float:
    """Of the time that OpenVINO counted for all nodes of a graph."""
    seconds = [(node.node_type == "Convolution", node.real_time.total_seconds()) for node in nodes]
    return sum(one for is_convolution, one in seconds if is_convolution) / sum(one for _, one in seconds)


def slice_by_ncnn(path: Path, side: int) -> Callable[[], tuple[float, float]]:
    """Answers one slice: milliseconds, twice. ncnn counts nothing, so its convolutions are given all of them."""
    infer = load(path, side, "ncnn", threads=0)
    image = np.random.default_rng(0).random((1, side, side, 3), np.float32)
    return lambda: (milliseconds(lambda: infer(image)),) * 2


def milliseconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return (time.perf_counter() - start) * 1000


def per_second(path: Path, side: int, engine: str, runs: int) -> float:
    """Slices that the network answers a second when every core works on one of its own."""
    infer, image = load(path, side, engine, 1, facts(path)), np.random.default_rng(0).random((1, side, side, 3), np.float32)
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(infer, [image] * 2 * cores()))
        start = time.perf_counter()
        list(pool.map(infer, [image] * runs * cores()))
    return runs * cores() / (time.perf_counter() - start)


def facts(path: Path) -> dict:
    """The content of the model.json beside a model.h5."""
    return json.loads(path.with_name("model.json").read_text(encoding="utf-8"))


def measure(path: Path, side: int, runs: int = 40) -> dict:
    """For each engine: the machine's peak, the network's speed and what share of the peak its convolutions reach.

    Peak and network take turns, a few slices at a time; all is the median over these rounds, the share that of the rounds'
    shares. Operations are those of the convolutions as they are defined. Winograd's, by ncnn, takes fewer, and may pass the
    peak.

    Args:
        runs: slices in all.
    """
    gflop = convolution_gflop(graph_of(path, side))
    ranges = CLASSIFIER.ranges_of(facts(path)["int8_ranges"])
    report = {}
    for engine, precision in engines().items():
        if engine == "ncnn":
            answer = slice_by_ncnn(path, side)
        else:
            answer = slice_by_openvino(graph_of(path, side, ranges if precision == "int8" else None), precision)
        report[engine] = in_rounds(answer, products(precision), gflop, max(1, runs // ROUNDS))
        report[engine]["per_second"] = round(per_second(path, side, engine, runs), 2)
    return {"side": side, "gflop": round(gflop, 2), "engines": report}


def in_rounds(
    answer: Callable[[], tuple[float, float]], tasks: list[tuple[Callable[[], object], float]], gflop: float, each: int
) -> dict[str, float]:
    """What `measure` tells of one engine, of `each` slices a round."""
    rows = []
    for _ in range(ROUNDS):
        answer()  # the caches hold the products' matrices
        whole, convolutions = map(statistics.median, zip(*(answer() for _ in range(each)), strict=True))
        peak, reached = peak_gflops(tasks), 1000 * gflop / convolutions
        rows.append((whole, convolutions, reached, peak, reached / peak))
    names = {"ms": 2, "convolutions_ms": 2, "gflops": 1, "peak_gflops": 1, "of_peak": 3}
    return {
        name: round(statistics.median(values), digits)
        for (name, digits), values in zip(names.items(), zip(*rows, strict=True), strict=True)
    }
