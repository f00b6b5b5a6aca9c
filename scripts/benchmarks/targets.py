"""The targets, and what was measured of each."""

import itertools
import math
from typing import NamedTuple

from model.engines import REDUCED


class Target(NamedTuple):
    """One target.

    Attributes:
        measured: None when it was not measured in this run.
        limit: `measured` is to be at most, or at least, this.
    """

    name: str
    measured: float | None
    limit: float
    at_most: bool = True
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.measured is not None and (self.measured <= self.limit if self.at_most else self.measured >= self.limit)

    def row(self) -> str:
        bound = "at most" if self.at_most else "at least"
        measured = "not measured" if self.measured is None else f"{self.measured:.3g}{self.unit}"
        verdict = "" if self.measured is None else "met" if self.met else "**missed**"
        return f"| {self.name} | {bound} {self.limit:g}{self.unit} | {measured} | {verdict} |"


def targets(report: dict) -> list[Target]:
    """Every target, from what `scripts/benchmark.py` measured; parts that are missing are not measured."""
    ways, default = report.get("ways", {}), report.get("engine")
    float32, reduced = report.get("float32"), default if default in REDUCED else None

    def ratio(engine: str | None, *keys: str) -> float | None:
        ours, theirs = (_at(ways.get(name, {}), *keys) for name in (engine, "original"))
        return ours / theirs if ours and theirs else None

    load, network = report.get("load", {}), report.get("network", {}).get("engines", {})
    bulk, curves = report.get("bulk", {}), report.get("curves", {})
    page = ("page", "1", "p50_ms")
    found = [
        Target("page answer, bfloat16 or 8 bits, over the original's way", ratio(reduced, *page), 0.4),
        Target("page answer, float32, over the original's way", ratio(float32, *page), 0.9),
        Target("… with a close-up, bfloat16 or 8 bits", ratio(reduced, "closeup", "p50_ms"), 0.4),
        Target("… with a close-up, float32", ratio(float32, "closeup", "p50_ms"), 0.9),
        Target("cold start to first answer, over the original's way", ratio(default, "cold_start_s"), 0.25),
        Target("… with a close-up", ratio(default, "closeup_start_s"), 0.25),
        Target("… with nothing kept from an earlier start", ratio(default, "first_start_s"), 0.25),
        Target("… with a close-up, and nothing kept", ratio(default, "first_closeup_start_s"), 0.25),
        Target("peak memory of the server, over the original's way", ratio(default, "peak_mb"), 0.4),
        Target(
            "convolutions in float32, GFLOP/s over the machine's peak", _at(network, float32, "of_peak"), 0.8, at_most=False
        ),
        Target("8 clients, mixed formats: throughput over one client's", load.get("throughput_ratio"), 1.2, at_most=False),
        Target("… errors", _at(load, "crowd", "errors"), 0),
        Target("… p99 over p50", load.get("p99_over_p50"), 8),
        Target("… memory's slope per 1,000 requests", load.get("memory_slope_mb_per_1000"), 1, unit=" MB"),
        Target("many slices through predict.py, over one after the other", bulk.get("ratio"), 1.5, at_most=False),
        Target("serving-only install, wheels to download", report.get("wheels_mb"), 300, unit=" MB"),
    ]
    if "stages" in report:
        times = report["stages"]
        share = 1 - times["inference"] / sum(times.values())
        found.append(Target("a page's time that is not inference, 512 x 512 JPEG", share, 0.3))
    if curves:
        pixels = [(side * side, ms) for side, ms in curves["sides"]]
        rates = [rate for _, rate in curves["clients"]]
        found += [
            Target("twice the slices, at the steepest place of the curve: time over", steepest(curves["slices"]), 2.3),
            Target("twice the pixels, likewise", steepest(pixels), 2.3),
            Target("answers a second with the most clients, over the best", rates[-1] / max(rates), 0.9, at_most=False),
        ]
    return found


def steepest(curve: list[tuple[float, float]]) -> float:
    """How many times the time grows where the amount is doubled, at worst; 2 is linear."""
    steps = itertools.pairwise(curve)
    return max((after / before) ** (math.log(2) / math.log(more / some)) for (some, before), (more, after) in steps)


def table(found: list[Target]) -> str:
    return "\n".join(["| target | | measured | |", "|---|---|---|---|", *(target.row() for target in found)])


def _at(value: dict, *keys: str):
    for key in keys:
        value = value.get(key, {}) if isinstance(value, dict) else {}
    return value if value != {} else None
