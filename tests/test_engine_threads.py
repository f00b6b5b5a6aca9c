"""Engines asked from several threads: no answers are mixed up, cores are shared, and others go on meanwhile."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Queue
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from model.classifier import DEFAULT_MODEL
from model.engines import ncnn_engine, openvino_engine, openvino_graph, processor
from model.engines.network_file import CLASSIFIER, read_network

INFO = json.loads(DEFAULT_MODEL.with_name("model.json").read_text())
ENGINES = {"ncnn": ncnn_engine, "openvino": openvino_engine}
of_each = pytest.mark.parametrize("engine", ENGINES)
needs_bfloat16 = pytest.mark.skipif(not openvino_engine.computes_bfloat16(), reason="this processor does not compute bfloat16")


@of_each
def test_threads_do_not_mix_their_answers(network_file, images, engine):
    infer = ENGINES[engine].load(network_file, 64, threads=1)
    expected = [infer(images[i : i + 1])["gate"] for i in range(len(images))]
    wrong = []

    def ask(i: int) -> None:
        for _ in range(10):
            if not np.array_equal(infer(images[i : i + 1])["gate"], expected[i]):
                wrong.append(i)

    workers = [threading.Thread(target=ask, args=(i,)) for i in range(len(images))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert not np.array_equal(expected[0], expected[1])


@needs_bfloat16
def test_slices_asked_for_at_one_time_get_the_same_answers_in_bfloat16(network_file, images):
    """The first takes all cores, others half of them each; which it was is not to be seen in an answer."""
    infer = openvino_engine.load(network_file, 64, bfloat16=True)
    expected = [infer(images[i : i + 1]) for i in range(len(images))]
    with ThreadPoolExecutor(len(images)) as pool:
        rounds = [pool.map(infer, np.split(images, len(images))) for _ in range(20)]
        for answers in rounds:
            for ours, theirs in zip(answers, expected, strict=True):
                for name in CLASSIFIER.outputs:
                    assert ours[name] == pytest.approx(theirs[name], abs=1e-5), name
    assert not np.array_equal(expected[0]["gate"], expected[1]["gate"])


@pytest.mark.parametrize(
    ("precision", "threads", "taken"),
    [
        ("bf16", 0, ["all cores", "4 cores", "4 cores"]),  # and the fourth waits
        ("int8", 0, ["all cores", "4 cores", "4 cores"]),
        ("f32", 0, ["all cores"]),
        ("bf16", 3, ["3 cores", "3 cores"]),
    ],
)
def test_who_asks_while_an_inference_runs_gets_other_cores(network_file, images, monkeypatch, precision, threads, taken):
    """On 8 cores. No inference ends here until all that can begin have begun. Nothing is compiled before it is needed."""
    begun, go_on, outputs = Queue(), threading.Event(), [np.zeros(1)] * len(CLASSIFIER.outputs)
    compiled = []

    def compile_it(graph, options):
        streams = options["NUM_STREAMS"]
        compiled.append((options["INFERENCE_PRECISION_HINT"], streams))

        def infer(inputs):
            begun.put(f"{options['INFERENCE_NUM_THREADS'] // streams or 'all'} cores")
            assert go_on.wait(60)
            return outputs

        ports = [SimpleNamespace(get_any_name=lambda name=name: name) for name in CLASSIFIER.outputs]
        return SimpleNamespace(outputs=ports, create_infer_request=lambda: SimpleNamespace(infer=infer))

    monkeypatch.setattr(openvino_engine, "_compile", compile_it)
    for module in (openvino_engine, processor):
        monkeypatch.setattr(module, "cores", lambda: 8)
    ranges = {"block1_conv2": {"most": 1.0, "channels": "ff" * 64}} if precision == "int8" else None
    infer = openvino_engine.load(network_file, 64, threads, precision == "bf16", ranges)
    hint = "bf16" if precision == "bf16" else "f32"
    assert compiled == [(hint, 2 if threads else 1)]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(infer, images[:1]) for _ in range(4)]
        first = [begun.get(timeout=60) for _ in taken]
        with pytest.raises(Empty):
            begun.get(timeout=0.2)
        go_on.set()
        assert all(answer.result()["gate"].shape == (1,) for answer in asked)
    assert first == taken
    assert compiled == [(hint, 2 if threads else 1)] + [(hint, 2)] * (taken[0] != taken[-1])


def test_a_pool_holds_an_inference_for_each_stream_of_so_many_threads(network_file):
    with h5py.File(network_file, "r") as file:
        graph = openvino_graph.build(read_network(file))
    pool = openvino_engine._requests(openvino_engine._compile(graph, openvino_engine._streams(1, 2)), 2)
    compiled = pool.get().get_compiled_model()
    assert pool.qsize() == 1
    assert {name: compiled.get_property(name) for name in ("NUM_STREAMS", "INFERENCE_NUM_THREADS")} == {
        "NUM_STREAMS": 2,
        "INFERENCE_NUM_THREADS": 2,
    }


@of_each
@pytest.mark.alone
def test_others_go_on_while_an_engine_works(engine):
    """An inference does not keep Python's lock: uploads are received and answers are written meanwhile."""
    infer = ENGINES[engine].load(DEFAULT_MODEL, INFO["input_size"], threads=1)
    image = np.zeros((1, INFO["input_size"], INFO["input_size"], 3), np.float32)
    infer(image)
    ended, turns = threading.Event(), []

    def go_on() -> None:
        while not ended.wait(0.002):
            turns.append(time.perf_counter())

    other = threading.Thread(target=go_on)
    other.start()
    start = time.perf_counter()
    infer(image)
    end = time.perf_counter()
    ended.set()
    other.join()
    assert sum(start < turn < end for turn in turns) > 5
