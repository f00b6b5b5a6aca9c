"""`python app.py` as a process of its own, for the tests that want the real thing."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "app.py"]


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what it may say about the server's settings; any free port."""
    return os.environ | {"HOST": "127.0.0.1", "PORT": "0", "EARLYMED_MODEL": ""} | changes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, process: subprocess.Popen, url: str, log: Path):
        self.process, self.url, self.log = process, url, log

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until_ready(self, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return
            except OSError:  # URLError is one: nobody listens yet, or the model is still being loaded
                time.sleep(0.1)
        pytest.fail(f"The server was not ready within {seconds} s. Its output:\n{self.output()}")


@contextmanager
def running_server(**settings: str) -> Iterator[Server]:
    """A server that answers, with settings in its environment; it is stopped at the end."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "output.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                COMMAND, cwd=ROOT, env=environment(PORT=str(port), **settings), stdout=output, stderr=subprocess.STDOUT
            )
        server = Server(process, f"http://127.0.0.1:{port}", log)
        try:
            server.wait_until_ready()
            yield server
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
