"""Whole servers: the ways to answer side by side, one of them under load, how its cost grows, and many slices at once."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.benchmarks.clients import HTML, Refused, Timed, Upload, encoded, measure, mixed, send, zipped
from scripts.benchmarks.servers import ROOT, Way, earlymed, environment, running

CLIENTS = (1, 2, 8)
BATCH = 64
BURST = 40  # clients at once, more than may wait
SIDES = (128, 256, 512, 1024, 2048, 4096)
SLICES = (1, 2, 4, 8, 16, 32, 64, 128)
CROWDS = (1, 2, 4, 8, 16)
ROUNDS = 4  # in which what is compared takes turns
SETTLING = 0.6  # of the requests that are counted: so many come before them
WORKERS = ((1, 0), (2, 0), (4, 0), (4, 1))  # (MAX_CONCURRENT, EARLYMED_THREADS)


def cold_starts(ways: dict[str, Way], upload: Upload, repeats: int, forget: Path | None = None) -> dict[str, list[float]]:
    """Seconds from the command to the first page with an answer, each time with a new process; the ways take turns.

    Each starts alone: the original's way is busy for some seconds more after its first answer.

    Args:
        forget: what is kept in this folder is removed before every start.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            if forget:
                shutil.rmtree(forget, ignore_errors=True)
            with running(way) as server:
                times[name].append(round(server.wait_for_answer("/", upload), 3))
    return times


def compare(
    ways: dict[str, Way], data: bytes, closer: bytes, each: int, clients: Iterable[int] = CLIENTS, batches: int = 3
) -> dict[str, dict]:
    """Page and API of each way for several numbers of clients, the page without a script, a batch of 64; the most memory
    before it, and with it. And the page of another slice, `closer`. The ways take turns.

    Args:
        each: how many requests of one kind, in all rounds.
    """
    one, other = (Upload.of(("slice.jpg", slice_)) for slice_ in (data, closer))
    times: dict[str, list[dict]] = {name: [] for name in ways}
    report: dict[str, dict] = {}
    with ExitStack() as running_ones:
        servers = {name: running_ones.enter_context(running(way)) for name, way in ways.items()}
        for server in servers.values():
            server.wait_for_answer("/", one)
            measure(server.port, "/", [one], 1, 3)
        for _ in range(ROUNDS):
            for name, server in servers.items():
                times[name].append(a_round(server.port, ways[name].api, one, other, max(1, each // ROUNDS), clients))
        for name, server in servers.items():
            report[name] = {"title": ways[name].title, "page": {}, "api": {}}
            for (kind, count), parts in ((key, [row[key] for row in times[name]]) for key in times[name][0]):
                summary = Timed.joined(parts).summary()
                report[name] |= {kind: report[name][kind] | {count: summary} if count else summary}
            report[name]["peak_mb"] = round(server.memory_mb(peak=True), 1)
            many = zipped(data, BATCH) if ways[name].zipped else Upload.of(*[("slice.jpg", data)] * BATCH)
            batch = measure(server.port, ways[name].api, [many], 1, batches)
            report[name]["batch_ms"] = round(statistics.median(batch.ms), 1)
            report[name]["batch_peak_mb"] = round(server.memory_mb(peak=True), 1)
    return report


def a_round(
    port: int, api: str, one: Upload, other: Upload, each: int, clients: Iterable[int]
) -> dict[tuple[str, str], Timed]:
    """What one server was asked in its turn: by kind, and by the number of clients where there may be several."""
    measure(port, "/", [one], 1, 1)  # the caches hold what another way has left
    found = {
        (kind, str(count)): measure(port, path, [one], count, max(3, each // count))
        for kind, path in (("page", "/"), ("api", api))
        for count in clients
    }
    found["closeup", ""] = measure(port, "/", [other], 1, each)
    found["html", ""] = measure(port, "/", [one], 1, each, accept=HTML)
    return found


def in_turn(ways: dict[str, Way], data: bytes, rounds: int, starts: int = 3) -> dict[str, dict]:
    """Page, cold start and memory of each way, roughly: they take turns, so that whatever else the machine does hits all of
    them, and the ratios hold on one that is not idle.
    """
    one = Upload.of(("slice.jpg", data))
    seconds = cold_starts(ways, one, starts)
    times: dict[str, list[float]] = {name: [] for name in ways}
    report: dict[str, dict] = {}
    with ExitStack() as running_ones:
        servers = {name: running_ones.enter_context(running(way)) for name, way in ways.items()}
        for server in servers.values():
            server.wait_for_answer("/", one)
        for _ in range(rounds):
            for name, server in servers.items():
                times[name] += measure(server.port, "/", [one], 1, 1).ms
        for name, server in servers.items():
            report[name] = {
                "title": ways[name].title,
                "cold_start_s": statistics.median(seconds[name]),
                "page": {"1": Timed(times[name][1:], sum(times[name][1:]) / 1000, []).summary()},
                "peak_mb": round(server.memory_mb(peak=True), 1),
            }
    return report


def under_load(image: Image.Image, each: int, clients: int = 8) -> dict:
    """Pages for clients that send random mixes of formats, in turns with one client that does; memory on the way; a burst.

    Before it is looked at, as many clients have asked for a while: what the heap has grown to for one request it keeps for the
    next, and it takes a while until those that need most have come at the same time.
    """
    uploads = mixed(image)
    before = max(1, int(each * SETTLING))
    alone, crowd, memory = [], [], []
    with running(earlymed("")) as server:
        server.wait_for_answer("/", uploads[0])
        measure(server.port, "/", uploads, 1, 20)
        measure(server.port, "/", uploads, clients, before)
        for turn in range(ROUNDS):
            alone.append(measure(server.port, "/", uploads, 1, max(4, each // (2 * ROUNDS)), seed=turn))
            answered = sum(len(part.ms) for part in crowd)

            def watch(done: int, answered: int = answered) -> None:
                if done % 20 == 0:
                    memory.append((answered + done, server.memory_mb()))

            crowd.append(measure(server.port, "/", uploads, clients, max(1, each // ROUNDS), watch, seed=turn))
        turned_away = burst(server.port, uploads[1])
        peak = server.memory_mb(peak=True)
    alone, crowd = Timed.joined(alone).summary(), Timed.joined(crowd).summary()
    return {
        "alone": alone,
        "crowd": crowd,
        "clients": clients,
        "before": clients * before,
        "throughput_ratio": round(crowd["per_second"] / alone["per_second"], 3),
        "p99_over_p50": round(crowd["p99_ms"] / crowd["p50_ms"], 2),
        "memory_mb": memory,
        "memory_slope_mb_per_1000": round(slope(memory), 3),
        "peak_mb": round(peak, 1),
        "burst": turned_away,
    }


def slope(memory: list[tuple[int, float]]) -> float:
    """MB per 1,000 requests: a line through the later three quarters, when all threads have worked (least squares)."""
    settled = memory[len(memory) // 4 :]
    if len(settled) < 2:
        return float("nan")
    return 1000 * float(np.polyfit(*zip(*settled, strict=True), 1)[0])


def burst(port: int, upload: Upload) -> dict:
    """More clients at once than may wait: how many are turned away, how soon, and whether they hear when to come again."""
    from concurrent.futures import ThreadPoolExecutor

    def ask(_) -> tuple[int, float, str | None]:
        start = time.perf_counter()
        try:
            send(port, "/api/v1/predict", upload)
            return 200, time.perf_counter() - start, None
        except Refused as answer:
            return answer.status, time.perf_counter() - start, answer.retry_after

    with ThreadPoolExecutor(BURST) as pool:
        answers = list(pool.map(ask, range(BURST)))
    busy = [(seconds, retry) for status, seconds, retry in answers if status == 503]
    return {
        "clients": BURST,
        "answered": sum(status == 200 for status, *_ in answers),
        "busy": len(busy),
        "busy_p50_ms": round(1000 * statistics.median(seconds for seconds, _ in busy), 1) if busy else None,
        "retry_after": bool(busy) and all(retry for _, retry in busy),
    }


def workers(data: bytes, each: int, settings: Iterable[tuple[int, int]] = WORKERS) -> list[dict]:
    """How many requests at the same time, with how many threads each: one client's wait, eight clients' throughput."""
    upload = Upload.of(("slice.jpg", data))
    rows = []
    for concurrent, threads in settings:
        way = earlymed("", MAX_CONCURRENT=str(concurrent), EARLYMED_THREADS=str(threads))
        with running(way) as server:
            server.wait_for_answer("/", upload)
            measure(server.port, "/", [upload], 4, 3)
            alone = measure(server.port, "/", [upload], 1, each).summary()
            crowd = measure(server.port, "/", [upload], 8, max(5, each // 4)).summary()
            rows.append(
                {
                    "concurrent": concurrent,
                    "threads": threads,
                    "alone_p50_ms": alone["p50_ms"],
                    "alone_per_second": alone["per_second"],
                    "crowd_per_second": crowd["per_second"],
                    "peak_mb": round(server.memory_mb(peak=True), 1),
                }
            )
    return rows


def curves(
    image: Image.Image, each: int, slices: Iterable[int] = SLICES, sides: Iterable[int] = SIDES, crowds: Iterable[int] = CROWDS
) -> dict[str, list[tuple[int, float]]]:
    """Milliseconds against the number of slices and the image's side; answers per second against the number of clients.

    Each is the median of `each` rounds over the whole curve, of slices and clients of three at most.
    """
    data, few = encoded(image), min(3, each)
    one = Upload.of(("slice.jpg", data))
    batches = {n: zipped(data, n) for n in slices}
    scaled = {side: Upload.of(("slice.jpg", encoded(image, side=side))) for side in sides}
    with running(earlymed("")) as server:
        server.wait_for_answer("/", one)

        def milliseconds(path: str, upload: Upload) -> float:
            return measure(server.port, path, [upload], 1, 1).ms[0]

        def per_second(clients: int) -> float:
            return measure(server.port, "/", [one], clients, max(2, 4 * each // clients)).summary()["per_second"]

        return {
            "slices": in_rounds(slices, lambda n: milliseconds("/api/v1/predict", batches[n]), few),
            "sides": in_rounds(sides, lambda side: milliseconds("/", scaled[side]), each),
            "clients": in_rounds(crowds, per_second, few),
        }


def in_rounds(places: Iterable[int], measured: Callable[[int], float], rounds: int) -> list[tuple[int, float]]:
    """A curve's places and the median of what was measured at each, one round over all of them after the other."""
    places = list(places)
    values = zip(*([measured(place) for place in places] for _ in range(rounds)), strict=True)
    return [(place, round(statistics.median(some), 2)) for place, some in zip(places, values, strict=True)]


def bulk(images: list[Path], count: int, each: int = 120, rounds: int = 3) -> dict:
    """Slices per second through scripts/predict.py, its start not counted; and one by one through the API.

    They take turns, so that whatever else the machine does hits both: all is the median over the rounds, the ratio that of the
    rounds' ratios.
    """
    uploads = [Upload.of((image.name, image.read_bytes())) for image in images]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            shutil.copy(images[i % len(images)], Path(folder) / f"{i:05d}.jpg")
        for _ in range(rounds):
            with running(earlymed("")) as server:
                server.wait_for_answer("/", uploads[0])
                measure(server.port, "/api/v1/predict", uploads, 1, 5)
                single = measure(server.port, "/api/v1/predict", uploads, 1, each).summary()["per_second"]
            started = time_of(["scripts/predict.py", str(Path(folder) / "00000.jpg")])
            seconds = time_of(["scripts/predict.py", folder])
            many = (count - 1) / max(1e-9, seconds - started)
            rows.append((seconds, started, many, single, many / single))
    names = ("seconds", "start_s", "per_second", "single_per_second", "ratio")
    medians = (round(statistics.median(values), 2) for values in zip(*rows, strict=True))
    return {"slices": count, "rounds": rounds} | dict(zip(names, medians, strict=True))


def time_of(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment(), check=True, capture_output=True)
    return time.perf_counter() - start


def wheels() -> float | None:
    """Megabytes (2**20 bytes) of what `pip download -r requirements-clinic.txt` brings; None when pip has no index."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "-r", "requirements-clinic.txt", "-d", folder]
        if subprocess.run(command, cwd=ROOT, capture_output=True).returncode:
            return None
        return round(sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20, 1)
