"""scripts/benchmark.py: what it measures in turns, so that ratios hold on a machine that is not idle, and what it counts."""

import json
import time
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model.engines.quiet_openvino import openvino
from model.engines.quiet_openvino import opset13 as ops
from scripts import benchmark
from scripts.benchmarks import clients, network, serving, side_by_side
from scripts.benchmarks.servers import Way


def test_memory_is_looked_at_once_as_many_clients_have_asked_for_a_while(monkeypatch):
    asked = []

    def measure(port, path, uploads, count, each, seen=None, seed=0):
        asked.append((count, each, seed))
        for n in range(1, 41) if seen else ():
            seen(n)
        return clients.Timed([1.0, 2.0] if count == 1 else [3.0] * 40, 1.0, [])

    server = SimpleNamespace(port=1, wait_for_answer=lambda *_: 0.1, memory_mb=lambda peak=False: 300.0 + len(asked))
    monkeypatch.setattr(serving, "running", lambda way: nullcontext(server))
    monkeypatch.setattr(serving, "mixed", lambda image: ["a", "b"])
    monkeypatch.setattr(serving, "burst", lambda *_: {})
    monkeypatch.setattr(serving, "measure", measure)
    found = serving.under_load(None, 500)
    assert asked == [(1, 20, 0), (8, 300, 0), *((n, m, turn) for turn in range(4) for n, m in ((1, 62), (8, 125)))]
    assert found["before"] == 2400
    assert found["memory_mb"] == [(20 * n, 300.0 + 4 + 2 * ((n - 1) // 2)) for n in range(1, 9)]  # of the last ones alone
    assert (found["alone"]["per_second"], found["crowd"]["per_second"], found["throughput_ratio"]) == (2.0, 40.0, 20.0)


def test_ways_take_turns_in_all_that_they_are_asked(monkeypatch):
    """The machine is ten times as slow in the second of two rounds; both ways hear of it."""
    asked, kinds = [], {b"slice": "slice", b"closer": "closer", b"PK": "ZIP"}

    def measure(port, path, uploads, count, each, accept=""):
        kind = next(kind for content, kind in kinds.items() if b"\r\n\r\n" + content in uploads[0].body)
        asked.append((port, path, kind, count, each, accept))
        slow = 10 if asked.count((port, "/", "slice", 1, 1, "")) > 1 else 1  # what warms the caches, once a round
        return clients.Timed([port * slow] * each * count, 2.0, [])

    def running(way):
        port = int(way.title)
        return nullcontext(SimpleNamespace(port=port, wait_for_answer=lambda *_: None, memory_mb=lambda peak: 10.0 * port))

    monkeypatch.setattr(side_by_side, "ROUNDS", 2)
    monkeypatch.setattr(side_by_side, "running", running)
    monkeypatch.setattr(side_by_side, "measure", measure)
    ways = {"one": Way("3", ()), "other": Way("6", (), api="/own", zipped=True)}
    found = side_by_side.compare(ways, b"slice", b"closer", 20, clients=(1, 2), batches=5)
    assert [port for port, *_ in asked] == [3, 6] + ([3] * 7 + [6] * 7) * 2 + [3, 6]
    assert asked[9:16] == [
        (6, "/", "slice", 1, 1, ""),
        (6, "/", "slice", 1, 10, ""),
        (6, "/", "slice", 2, 5, ""),
        (6, "/own", "slice", 1, 10, ""),
        (6, "/own", "slice", 2, 5, ""),
        (6, "/", "closer", 1, 10, ""),
        (6, "/", "slice", 1, 10, "text/html"),
    ]
    assert asked[-2:] == [(3, "/api", "slice", 1, 5, ""), (6, "/own", "ZIP", 1, 5, "")]
    for port, way in ((3, found["one"]), (6, found["other"])):
        summary = {"p50_ms": 5.5 * port, "p90_ms": 10 * port, "p99_ms": 10 * port}
        summary |= {"per_second": 5.0, "requests": 20, "errors": 0}
        assert way == {
            "title": str(port),
            "page": {"1": summary, "2": summary},
            "api": {"1": summary, "2": summary},
            "closeup": summary,
            "html": summary,
            "peak_mb": 10 * port,
            "batch_ms": 10 * port,
            "batch_peak_mb": 10 * port,
        }


def test_share_of_the_peak_is_that_of_rounds_in_which_both_were_measured(monkeypatch):
    """The machine is half as fast in the last two rounds, and the first product was measured in a lucky moment."""
    speeds = [1.0, 1.0, 1.0, 0.5, 0.5]
    peaks = iter([800.0, 400.0, 400.0, 200.0, 200.0])
    answers = iter([(60 / speed, 50 / speed) for speed in speeds for _ in range(3)])  # the first of three is not counted
    monkeypatch.setattr(network, "peak_gflops", lambda tasks: next(peaks))
    found = network.in_rounds(lambda: next(answers), [], 15.0, 2)
    assert found == {"ms": 60.0, "convolutions_ms": 50.0, "gflops": 300.0, "peak_gflops": 400.0, "of_peak": 0.75}


def test_share_of_the_convolutions_is_of_all_nodes():
    node = [("Convolution", 30), ("MaxPool", 10), ("Convolution", 45), ("Reorder", 15)]
    nodes = [SimpleNamespace(node_type=name, real_time=timedelta(milliseconds=ms)) for name, ms in node]
    assert network.share_of_convolutions(nodes) == pytest.approx(0.75)


def test_convolutions_are_a_part_of_the_slice_s_time_whatever_the_counters_say(monkeypatch):
    """The counters of OpenVINO are means, and remember the first answer, which is slow. Here each slice takes a second."""
    monkeypatch.setattr(network, "milliseconds", lambda task: (task(), 1000.0)[1])
    image, kernel = ops.parameter([1, 16, 64, 64], np.float32), ops.constant(np.ones((64, 16, 3, 3), np.float32))
    graph = openvino.Model([ops.relu(ops.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))], [image])
    answer = network.slice_by_openvino(graph, "f32")
    assert all(whole == 1000.0 and 100.0 < convolutions <= 1000.0 for whole, convolutions in (answer() for _ in range(5)))


def test_the_fastest_task_is_the_peak():
    """2 GFLOP in a hundredth of a second are 200 a second; sleeping takes a little longer than it is told."""
    slow, fast = (lambda: time.sleep(0.02), 1.0), (lambda: time.sleep(0.01), 2.0)
    assert 100 < network.peak_gflops([slow, fast], 0.1) <= 200


def test_a_curve_is_measured_in_rounds():
    asked = []
    values = iter([1.0, 9.0, 9.0, 4.0, 3.0, 6.004])
    assert serving.in_rounds((8, 16), lambda place: asked.append(place) or next(values), 3) == [(8, 3.0), (16, 6.0)]
    assert asked == [8, 16] * 3


def test_cold_starts_take_turns(monkeypatch):
    seconds = {"a": iter([6.0, 12.0, 6.2]), "b": iter([1.0, 2.0004, 1.2])}
    started = []

    def running(way: str):
        started.append(way)
        return nullcontext(SimpleNamespace(wait_for_answer=lambda *_: next(seconds[way])))

    monkeypatch.setattr(side_by_side, "running", running)
    found = side_by_side.cold_starts({"original": "a", "openvino": "b"}, None, 3)
    assert started == ["a", "b"] * 3
    assert found == {"original": [6.0, 12.0, 6.2], "openvino": [1.0, 2.0, 1.2]}


def test_first_starts_find_nothing_that_was_kept(monkeypatch, tmp_path):
    kept, seen = tmp_path / "cache", []

    def answered(*_):
        seen.append(kept.exists())
        kept.mkdir()
        return 1.0

    monkeypatch.setattr(side_by_side, "running", lambda way: nullcontext(SimpleNamespace(wait_for_answer=answered)))
    side_by_side.cold_starts({"a": "a", "b": "b"}, None, 2, kept)
    assert seen == [False] * 4


def test_many_slices_and_single_ones_take_turns(monkeypatch):
    """Three rounds, of which the machine is half as fast in the second and third: 1000 slices in 40 s against 20 a second."""
    speeds, seconds = iter([1.0, 0.5, 0.5]), iter([0.5, 40.46, 1.0, 50.95, 1.0, 71.0])
    server = SimpleNamespace(port=1, wait_for_answer=lambda *_: None)
    monkeypatch.setattr(serving, "running", lambda way: nullcontext(server))
    monkeypatch.setattr(serving, "time_of", lambda arguments: next(seconds))
    monkeypatch.setattr(
        serving,
        "measure",
        lambda port, path, uploads, clients, each: SimpleNamespace(
            summary=lambda: {"per_second": 20.0 * next(speeds)} if each == 120 else None
        ),
    )
    found = serving.bulk([Path(__file__)], 1000)
    assert found == {
        "slices": 1000,
        "rounds": 3,
        "seconds": 50.95,
        "start_s": 1.0,
        "per_second": 20.0,
        "single_per_second": 10.0,
        "ratio": 1.43,
    }


def test_memory_slope_is_of_the_settled_part():
    assert serving.slope([(0, 50), (100, 150), (200, 150.2), (300, 150.4)]) == pytest.approx(2.0)


def test_operations_of_the_convolutions_are_counted():
    """VGG16's own are 15.35 * 10**9 multiplications with an addition at 224 x 224; the heads add a little."""
    facts = json.loads((benchmark.ROOT / "model" / "model.json").read_text(encoding="utf-8"))
    base = 2 * 15.34 * (facts["input_size"] / 224) ** 2
    graph = network.graph_of(benchmark.ROOT / "model" / "model.h5", facts["input_size"])
    assert base < network.convolution_gflop(graph) < 1.15 * base


def test_every_engine_is_given_the_classifier_and_its_own_ranges(monkeypatch):
    """The close-up's lie in the same file, under names that are no layers of the classifier."""
    path = benchmark.ROOT / "model" / "model.h5"
    facts = json.loads(path.with_name("model.json").read_text(encoding="utf-8"))
    asked = {}
    monkeypatch.setattr(network, "engines", lambda: {"openvino": "f32", "openvino-int8": "int8"})
    monkeypatch.setattr(network, "slice_by_openvino", lambda graph, precision: asked.setdefault(precision, graph))
    monkeypatch.setattr(network, "products", lambda precision: [])
    monkeypatch.setattr(network, "in_rounds", lambda *_: {})
    monkeypatch.setattr(network, "per_second", lambda *_: 10.0)
    found = network.measure(path, facts["input_size"], 4)["engines"]
    assert found == {"openvino": {"per_second": 10.0}, "openvino-int8": {"per_second": 10.0}}
    kinds = {precision: [node.get_type_name() for node in graph.get_ops()] for precision, graph in asked.items()}
    rounded = {precision: names.count("Convert") for precision, names in kinds.items()}  # of kernels in whole steps
    assert rounded == {"f32": 0, "int8": 20}
