"""The ways to answer side by side, each a whole server: its start, its answers, its memory. They take turns, so that whatever
else the machine does hits all of them.
"""

import shutil
import statistics
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts.benchmarks.clients import HTML, Timed, Upload, measure, zipped
from scripts.benchmarks.servers import Server, Way, running

CLIENTS = (1, 2, 8)
BATCH = 64
ROUNDS = 4  # in which they take turns


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
    with all_running(ways, one) as servers:
        for server in servers.values():
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


@contextmanager
def all_running(ways: dict[str, Way], first: Upload) -> Iterator[dict[str, Server]]:
    """The servers of all ways at one time, by name; each has answered once."""
    with ExitStack() as running_ones:
        servers = {name: running_ones.enter_context(running(way)) for name, way in ways.items()}
        for server in servers.values():
            server.wait_for_answer("/", first)
        yield servers


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
    """Page, cold start and memory of each way, roughly: they take turns at every request, so that the ratios hold on a machine
    that is not idle.
    """
    one = Upload.of(("slice.jpg", data))
    seconds = cold_starts(ways, one, starts)
    times: dict[str, list[float]] = {name: [] for name in ways}
    report: dict[str, dict] = {}
    with all_running(ways, one) as servers:
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
