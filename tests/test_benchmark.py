"""scripts/benchmark.py: what it counts and how it tells it; and the targets that are cheap to measure, as ratios."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.reading import read
from scripts import benchmark
from scripts.benchmarks import bounds, clients, document, stages
from scripts.benchmarks.targets import Target, steepest, table, targets

SUMMARY = {"p50_ms": 40.0, "p90_ms": 50.0, "p99_ms": 60.0, "per_second": 25.0, "requests": 48, "errors": 0}
FLOAT32 = "page answer, float32, over the original's way"
TRIES = 3


def way(title: str, factor: float) -> dict:
    row = {key: value * factor for key, value in SUMMARY.items()} | {"errors": 0}
    return {
        "title": title,
        "page": {"1": row, "2": row, "8": row},
        "api": {"1": row, "2": row, "8": row},
        "closeup": row,
        "html": row,
        "batch_ms": 900 * factor,
        "peak_mb": 700 * factor,
        "batch_peak_mb": 1000 * factor,
        "cold_start_s": 4 * factor,
        "closeup_start_s": 5 * factor,
        "first_start_s": 4 * min(1.0, factor + 0.005),
        "first_closeup_start_s": 5 * min(1.0, factor + 0.01),
    }


def report() -> dict:
    """As a whole run leaves it, every target met but one."""
    engine = {"ms": 50.0, "per_second": 22.0, "convolutions_ms": 45.0, "gflops": 500.0, "peak_gflops": 600.0, "of_peak": 0.833}
    return {
        "date": "2026-11-24",
        "model": "1.20261124.0",
        "engine": "openvino-bf16",
        "float32": "openvino",
        "machine": {"processor": "a processor", "cores": 2, "python": "3.11.7", "openvino": "2026.4.1"},
        "network": {"side": 192, "gflop": 22.5, "engines": {"openvino": engine, "openvino-bf16": engine | {"of_peak": 0.5}}},
        "stages": {stages.INFERENCE: 30.0, "decode": 1.0, "PNG": 2.0, stages.TEMPLATE: 3.0, stages.REST: 4.0},
        "ways": {
            "original": way("the original's way", 1.0),
            "openvino": way("EarlyMed, float32", 0.6),
            "openvino-bf16": way("EarlyMed, bfloat16", 0.24),
        },
        "bulk": {
            "slices": 1000,
            "rounds": 3,
            "seconds": 25.0,
            "start_s": 0.5,
            "per_second": 40.0,
            "single_per_second": 25.0,
            "ratio": 1.6,
        },
        "workers": [
            {"concurrent": 1, "threads": 0, "alone_p50_ms": 40, "alone_per_second": 25, "crowd_per_second": 30, "peak_mb": 210}
        ],
        "curves": {
            "slices": [(1, 40.0), (2, 70.0), (4, 150.0)],
            "sides": [(128, 30.0), (256, 40.0)],
            "clients": [(1, 25.0), (2, 30.0)],
        },
        "load": {
            "alone": SUMMARY,
            "crowd": SUMMARY | {"requests": 4000, "per_second": 32.0},
            "clients": 8,
            "throughput_ratio": 1.28,
            "p99_over_p50": 1.5,
            "memory_mb": [(20, 200.0), (40, 200.0)],
            "before": 2400,
            "memory_slope_mb_per_1000": 1.5,
            "peak_mb": 260.0,
            "burst": {"clients": 40, "answered": 17, "busy": 23, "busy_p50_ms": 2.0, "retry_after": True},
        },
        "wheels_mb": 180.0,
    }  # fmt: skip


def test_every_target_of_a_whole_run_is_measured_and_judged():
    found = targets(report())
    assert len(found) == 20
    assert [target.name for target in found if not target.met] == ["… memory's slope per 1,000 requests"]
    measured = {target.name: target.measured for target in found}
    assert measured["page answer, bfloat16 or 8 bits, over the original's way"] == pytest.approx(0.24)
    assert {measured[f"… with a close-up, {bits}"] for bits in ("bfloat16 or 8 bits", "float32")} == {0.24, 0.6}
    starts = ("… with a close-up", "… with nothing kept from an earlier start", "… with a close-up, and nothing kept")
    assert [measured[name] for name in starts] == pytest.approx([0.24, 0.245, 0.25])
    assert measured["peak memory of the server, over the original's way"] == pytest.approx(0.24)
    assert measured["many slices through predict.py, over one after the other"] == pytest.approx(1.6)
    assert measured["a page's time that is not inference, 512 x 512 JPEG"] == pytest.approx(0.25)
    assert measured["twice the slices, at the steepest place of the curve: time over"] == pytest.approx(150 / 70)
    assert "| … memory's slope per 1,000 requests | at most 1 MB | 1.5 MB | **missed** |" in table(found)


def test_parts_that_are_missing_are_not_measured():
    found = targets({"engine": "openvino"})
    assert {target.measured for target in found} == {None}
    assert not any(target.met for target in found)
    assert Target("x", None, 1).row() == "| x | at most 1 | not measured |  |"


def test_float32_is_told_of_the_engine_that_answers_in_it():
    measured = report() | {"float32": "ncnn"}
    measured["ways"]["ncnn"] = way("EarlyMed, float32", 0.5)
    measured["network"]["engines"]["ncnn"] = measured["network"]["engines"]["openvino"] | {"of_peak": 1.25}
    told = {target.name: target.measured for target in targets(measured)}
    assert told["page answer, float32, over the original's way"] == pytest.approx(0.5)
    assert told["convolutions in float32, GFLOP/s over the machine's peak"] == pytest.approx(1.25)
    assert "`EARLYMED_ENGINE=ncnn python scripts/benchmark.py --profile`" in document.markdown(measured)


@pytest.mark.parametrize(
    ("intels_avx512", "here", "engine", "float32"),
    [
        (True, ["ncnn", "openvino", "openvino-bf16", "openvino-int8"], "openvino-int8", "openvino"),
        (False, ["ncnn", "openvino", "openvino-int8"], "openvino-int8", "ncnn"),  # VNNI, as laptops have it
        (False, ["ncnn", "openvino"], "ncnn", "ncnn"),
        (False, ["ncnn", "openvino", "openvino-bf16", "openvino-int8"], "openvino-int8", "ncnn"),  # AMD, from Zen 4 on
    ],
)
def test_float32_is_what_answers_here_where_no_fewer_bits_do(intels_avx512, here, engine, float32, monkeypatch):
    monkeypatch.setattr("model.engines.processor.computes_intels_avx512", lambda: intels_avx512)
    monkeypatch.setattr(benchmark.network, "engines", lambda: here)
    facts = benchmark.facts()
    assert (facts["engine"], facts["float32"]) == (engine, float32)


@pytest.mark.parametrize(("curve", "worst"), [([(1, 5), (2, 10), (8, 40)], 2), ([(1, 5), (4, 80)], 4), ([(1, 5), (2, 5)], 1)])
def test_steepest_place_of_a_curve(curve, worst):
    assert steepest(curve) == pytest.approx(worst)


def test_what_is_left_to_gain_is_what_busy_cores_and_inference_alone_would_give():
    """One client waits 40 ms: 20 for the network, 20 on one core. The network can do 50 a second, which leaves 30 ms: 33.3."""
    assert bounds.most_per_second(20.0, 50.0, cores=2) == pytest.approx(1000 / 30)
    assert bounds.most_per_second(-1.0, 50.0, cores=2) == pytest.approx(50)
    measured = report()
    measured["network"]["engines"]["openvino-bf16"] |= {"ms": 20.0, "per_second": 50.0}
    network, load, bulk = bounds.told(measured)
    assert network == "With a core for each slice the network alone answers 50.0 slices a second."
    assert "would get 33.3 answers a second, 1.33 times one client's; they get 1.28 times as many." in load
    assert "2.00 times as fast as one after the other if" in bulk and "they come 1.60 times as fast." in bulk
    assert bounds.told({"engine": "openvino", "bulk": measured["bulk"]}) == []


@pytest.mark.parametrize("parts", [[], ["workers", "bulk", "curves"], ["load", "ways", "network", "stages"]])
def test_document_is_written_from_any_parts(tmp_path, parts):
    (tmp_path / "performance.json").write_text(json.dumps({k: v for k, v in report().items() if k not in parts}))
    assert benchmark.main(["--render", "--docs", str(tmp_path)]) == 0
    text = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "| page answer, bfloat16 or 8 bits, over the original's way | at most 0.4 |" in text
    assert ("24 ms" in text and "(0.24)" in text) or "ways" in parts
    pictures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert pictures == (set() if "curves" in parts else {f"performance-{name}.png" for name in document.CURVES})


def test_parts_are_kept_and_join_those_of_the_same_model_and_machine(tmp_path, monkeypatch):
    facts = {key: report()[key] for key in ("date", "model", "engine", "float32", "machine")}
    monkeypatch.setattr(benchmark, "facts", lambda: dict(facts))
    monkeypatch.setitem(benchmark.PARTS, "bulk", lambda times: {"slices": times(1000)})
    monkeypatch.setitem(benchmark.PARTS, "wheels_mb", lambda times: 180.0)
    kept = tmp_path / "performance.json"
    benchmark.measured(["bulk"], 0.5, kept)
    assert json.loads(kept.read_text()) == facts | {"bulk": {"slices": 500}}
    assert benchmark.measured(["wheels_mb"], 1.0, kept) == facts | {"bulk": {"slices": 500}, "wheels_mb": 180.0}
    facts = facts | {"model": "another"}
    assert "bulk" not in benchmark.measured(["wheels_mb"], 1.0, kept)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--write"], "--write expects the whole run, or parts of it"),
        (["--effort", "0.5", "--write"], "--write expects the full effort, or another folder for --docs"),
    ],
)
def test_a_rough_run_is_not_the_document(capsys, arguments, message):
    with pytest.raises(SystemExit):
        benchmark.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("index", range(7))
def test_every_format_of_the_load_is_the_same_slice(index):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8).repeat(4, 0).repeat(4, 1))
    body = clients.mixed(image)[index].body
    data = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
    pixels = np.asarray(read(data)[0], np.float32).reshape(160, 160, -1)[..., 0]
    assert np.corrcoef(pixels.ravel(), np.asarray(image, np.float32).ravel())[0, 1] > 0.98


class Answers(BaseHTTPRequestHandler):
    """Busy for the API; the page's lines end in an error."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        page = self.path == "/" and self.headers["Accept"] == clients.LINES
        self.send_response(200 if page else 503)
        self.send_header("Content-Type", clients.LINES if page else "application/json")
        self.send_header("Retry-After", "5")
        self.end_headers()
        self.wfile.write(b'{"done":0,"of":1}\n{"error":{"status":413,"code":"too_large"}}\n' if page else b"{}")

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("path", "status"), [("/", 413), ("/api/v1/predict", 503)])
def test_what_is_no_answer_is_an_error(path, status):
    upload = clients.Upload.of(("a.jpg", b"picture"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for ask in (clients.send, lambda *asked: clients.measure(*asked[:2], [upload], 2, 3)):
            with pytest.raises(clients.Refused) as refused:
                ask(server.server_address[1], path, upload)
            assert (refused.value.status, refused.value.retry_after) == (status, "5")
        server.shutdown()


@pytest.mark.alone
def test_stages_are_all_there_and_everything_is_as_before():
    """Asked of float32, so that what is not inference is held to the same time, however fast the network is by default."""
    from model import gate, preprocessing
    from model.classifier import Classifier

    classifier = Classifier.load(engine="openvino")

    before = (gate.look, preprocessing.window, classifier._infer, classifier._look_closely)
    times = stages.measure(classifier, benchmark.picture(), runs=3)
    assert (gate.look, preprocessing.window, classifier._infer, classifier._look_closely) == before
    expected = {
        stages.INFERENCE,
        "decode",
        "crop",
        "window",
        "resize",
        "gate",
        "mask",
        "close-up",
        "map",
        "PNG",
        stages.TEMPLATE,
        stages.REST,
    }
    for name in expected:
        assert times[name] > 0, name
    assert 0 < stages.overhead(times) < 0.4


@pytest.mark.alone
def test_cheap_targets_are_met_as_ratios():
    """Side by side on whatever machine this is, never as times; what else the machine does may spoil a try, not three."""
    for _ in range(TRIES):
        found = {target.name: target for target in targets(benchmark.quick(8)) if target.measured is not None}
        page = {name: found.pop(name) for name in list(found) if name.startswith("page answer")}
        held = [*found.values(), page[FLOAT32]]
        missed = [target.row() for target in held if not target.met]
        # bfloat16 is so near its own target that a few repeats cannot tell; it must not be slower than float32
        missed += [target.row() for target in page.values() if target.measured > page[FLOAT32].measured]
        if not missed:
            break
    assert len(held) == 3
    assert missed == []


def test_documents_shown_are_the_generated_ones():
    docs = Path(benchmark.DOCS)
    if not (docs / "performance.json").is_file():
        pytest.skip("not measured yet: scripts/benchmark.py --write")
    kept = json.loads((docs / "performance.json").read_text(encoding="utf-8"))
    assert (docs / "performance.md").read_text(encoding="utf-8") == document.markdown(kept)


def test_the_slices_that_are_sent_are_one_without_and_one_with_a_close_up(classifier, monkeypatch):
    asked = []
    look = classifier._look_closely
    monkeypatch.setattr(classifier, "_look_closely", lambda view: asked.append(len(view)) or look(view))
    for data, looks in ((benchmark.picture(), []), (benchmark.drawn_anew(), [1])):
        [answer] = classifier.predict(read(data)[:1])
        assert answer.tumor is not None
        assert asked == looks
