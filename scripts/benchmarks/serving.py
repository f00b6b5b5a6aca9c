"""EarlyMed as a whole server: under load, how its cost grows, and many slices at once."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.benchmarks.clients import Refused, Timed, Upload, encoded, measure, mixed, send, zipped
from scripts.benchmarks.servers import ROOT, earlymed, environment, running

BURST = 40  # clients at once, more than may wait
SIDES = (128, 256, 512, 1024, 2048, 4096)
SLICES = (1, 2, 4, 8, 16, 32, 64, 128)
CROWDS = (1, 2, 4, 8, 16)
ROUNDS = 4  # in which one client and many take turns
SETTLING = 0.6  # of the requests that are counted: so many come before them
WORKERS = ((1, 0), (2, 0), (4, 0), (4, 1))  # (MAX_CONCURRENT, EARLYMED_THREADS)


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
