"""`python app.py` as a process of its own: it starts, says so, ends in order, and says plainly why it cannot start."""

import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import pytest

from servers import COMMAND, ROOT, environment, running_server
from web import serving
from web.pages import LINES


def run(**changes: str) -> subprocess.CompletedProcess:
    """Run the server to its end, which must come by itself."""
    return subprocess.run(COMMAND, cwd=ROOT, env=environment(**changes), capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_signal_ends_it_in_order(number):
    with running_server() as server:
        server.process.send_signal(number)
        code = server.process.wait(30)
        output = server.output()
    assert code == 0, output
    assert f"EarlyMed is ready on {server.url}" in output
    assert "Traceback" not in output


def test_signal_ends_a_long_analysis_too():
    """A volume of a thousand slices takes much longer than the five seconds that answers in work get."""
    values = np.random.default_rng(0).integers(0, 400, (64, 64, 1000)).astype(np.int16)
    volume = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    body = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.nii"\r\n\r\n' + volume + b"\r\n--edge--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=edge", "Accept": LINES}
    with running_server() as server:
        request = urllib.request.Request(server.url, body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            assert [json.loads(response.readline())["done"] for _ in range(3)][-1] > 0
            server.process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            code = server.process.wait(60)
        seconds, output = time.monotonic() - started, server.output()
    assert code == 0, output
    assert seconds < 12
    assert "Traceback" not in output


def test_port_in_use_is_told_before_the_model_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run(PORT=str(port), EARLYMED_MODEL="/nowhere/model.h5")
    assert result.returncode == 1
    assert result.stderr == (
        f"Cannot listen on 127.0.0.1, port {port}: Address already in use. Set PORT or HOST to another.\n"
    )


def test_host_that_does_not_exist_is_told():
    result = run(HOST="no-such-host.invalid")
    assert result.returncode == 1
    assert result.stderr.startswith("Cannot listen on no-such-host.invalid, port 0: ")
    assert len(result.stderr.splitlines()) == 1


WAITING_KB = 35_000  # 12 % of what a server in float32 takes; what waits takes as much whatever the network takes


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_many_who_ask_at_once_take_little_more_memory_than_one():
    """One is at work; the others wait. Two at work take what two slices take, and the benchmark holds the whole to its bar."""
    sample = sorted((ROOT / "tests" / "samples").glob("*.jpg"))[0].read_bytes()
    body = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + sample + b"\r\n--edge--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    with running_server(MAX_CONCURRENT="1") as server:

        def peak() -> int:
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            return int(re.search(r"VmHWM:\s+(\d+)", status).group(1))

        def ask(_) -> int:
            with urllib.request.urlopen(urllib.request.Request(server.url, body, headers), timeout=300) as response:
                return response.status

        assert ask(0) == 200
        before = peak()
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(16))) == {200}
        assert peak() < before + WAITING_KB


ARRAYS = """
import resource, threading
import numpy
from web.serving import keep_memory_flat

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def repeat(side):
    for _ in range(100):
        numpy.ones((side, side), numpy.float32)

def work():
    repeat(512)
    before, held = faults(), resident()
    repeat(512)
    usual = faults() - before
    repeat(2048)
    print(usual, resident() - held)

keep_memory_flat()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is set is glibc's")
def test_usual_slices_find_their_memory_again_and_large_ones_give_it_back():
    unset = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", ARRAYS], cwd=ROOT, env=unset, capture_output=True, text=True, timeout=60)
    assert not done.returncode, done.stderr
    usual, held = map(int, done.stdout.split())
    assert usual < 100  # pages handed out anew, for a hundred arrays of 256 pages
    assert held < serving.KEPT + 2**20  # of the 16 MB that each of the large ones took


GAPS = """
import resource
from web.serving import give_back, keep_memory_flat

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

keep_memory_flat()
pieces = [b"x" * (2**16 + n) for n in range(1000)]
held = resident()
pieces = pieces[::2]
left = resident()
give_back()
print(held - left, left - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap is glibc's")
def test_what_lies_free_between_pieces_is_given_back():
    done = subprocess.run([sys.executable, "-c", GAPS], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert not done.returncode, done.stderr
    by_itself, given_back = map(int, done.stdout.split())
    free = 500 * 2**16
    assert by_itself < free / 10
    assert given_back > free * 0.8  # a piece begins and ends within a page of 4 kB, and those two stay


def test_bad_setting_is_told():
    result = run(PORT="http")
    assert (result.returncode, result.stderr) == (2, "PORT: expected a whole number, 0 to 65535. Received: 'http'.\n")


def test_missing_model_is_told_in_one_line():
    result = run(EARLYMED_MODEL="/nowhere/model.h5")
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("/nowhere/model.")
    assert line.endswith("Received: no such file.")
