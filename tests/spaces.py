"""The Space's app as a process of its own, in the folder that is pushed, without a network.

It is run by EARLYMED_SPACE_PYTHON, an interpreter with spaces/requirements.txt and nothing else, or by this one where it
has Gradio.
"""

import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers import free_port

ROOT = Path(__file__).parents[1]
GUARD = """
import os, sys

def guard(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        outside = isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost", "0.0.0.0"))
    else:
        outside = event == "socket.getaddrinfo" and arguments[0] not in (None, "", "127.0.0.1", "localhost", b"127.0.0.1")
    if outside:
        with open(os.environ["EARLYMED_OUTSIDE"], "a") as file:
            print(event, arguments, file=file)
        raise OSError("there is no network in this test")

sys.addaudithook(guard)
"""


@dataclass
class Space:
    """A running app.

    Attributes:
        outside: what it has asked of the network, a line for each time.
        temporary: where Gradio keeps its files.
    """

    url: str
    process: subprocess.Popen
    log: Path
    outside: Path
    temporary: Path

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def space_python() -> str:
    """The interpreter; the test that asks is skipped, or fails under EARLYMED_SPACE_TESTS=required, where there is none."""
    chosen = os.environ.get("EARLYMED_SPACE_PYTHON")
    missing = "gradio_client" if importlib.util.find_spec("gradio_client") is None else ""
    if not chosen and importlib.util.find_spec("gradio") is None:
        missing = "Gradio (pip install -r spaces/requirements.txt)"
    if missing:
        reason = f"{missing} is not installed"
        if os.environ.get("EARLYMED_SPACE_TESTS") == "required":
            pytest.fail(f"{reason}, but EARLYMED_SPACE_TESTS=required")
        pytest.skip(reason)
    return chosen or sys.executable


@contextmanager
def running_space(work: Path, seconds: float = 300) -> Iterator[Space]:
    """Build the folder below `work` with scripts/build_space.py, start its app, stop it at the end."""
    python, port = space_python(), free_port()
    folder, hook, log = work / "space", work / "hook", work / "output.txt"
    build = [sys.executable, str(ROOT / "scripts" / "build_space.py"), "--out", str(folder)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(GUARD)
    changes = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(work / "temporary"),
        "EARLYMED_OUTSIDE": str(work / "outside.txt"),
        "PYTHONPATH": str(hook),
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("EARLYMED", "GRADIO", "SPACE_"))}
    with log.open("wb") as output:
        process = subprocess.Popen([python, "app.py"], cwd=folder, env=kept | changes, stdout=output, stderr=subprocess.STDOUT)
    space = Space(f"http://127.0.0.1:{port}", process, log, work / "outside.txt", work / "temporary")
    try:
        deadline = time.monotonic() + seconds
        while b"is ready" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The Space was not ready within {seconds} s. Its output:\n{log.read_text()}")
            time.sleep(0.2)
        with urllib.request.urlopen(space.url, timeout=30):
            yield space
    finally:
        space.stop()
