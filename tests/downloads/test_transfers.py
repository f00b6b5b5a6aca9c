"""Transfers that break off, stall or were interrupted, and what the next run makes of them."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from web_server import CHUNK, NEW, OLD, assert_old_file_alone, files, unchanged

from scripts import download_model

# Broken transfers


def test_broken_transfer_is_resumed(project, run, server, pauses):
    server.cuts = {1: CHUNK + 1000, 3: CHUNK + 1000}
    assert run()[0] == 0
    assert (project / "model" / "model.h5").read_bytes() == NEW
    assert files(project) == ["model.h5"]
    # Each time gdown asks once for the headers and once for the rest.
    assert server.asked == [None, None, f"bytes={CHUNK}-", None, f"bytes={2 * CHUNK}-"]
    assert pauses == [download_model.PAUSE_SECONDS] * 2


def test_broken_transfer_starts_again_without_ranges(project, run, server):
    server.cuts, server.ranges = {1: CHUNK + 1000}, False
    assert run()[0] == 0
    assert (project / "model" / "model.h5").read_bytes() == NEW
    assert files(project) == ["model.h5"]
    assert server.asked == [None, None, f"bytes={CHUNK}-", None]


def test_transfer_that_stalls_is_resumed(project, run, server, monkeypatch):
    monkeypatch.setattr(download_model, "TIMEOUT_SECONDS", (5, 0.2))
    server.cuts, server.stall = {1: 2 * CHUNK}, threading.Event()
    status, _, err = run()
    server.stall.set()
    assert (status, err) == (0, "")
    assert (project / "model" / "model.h5").read_bytes() == NEW
    assert server.asked == [None, None, f"bytes={2 * CHUNK}-"]


def test_transfer_that_keeps_breaking_is_given_up_and_the_next_run_goes_on(project, run, server, pauses):
    server.cuts = {1: CHUNK + 1000} | dict.fromkeys(range(2, 10), 1000)
    status, out, err = run()
    kept = [path for path in (project / "model").iterdir() if path.name != "model.h5"]
    assert [path.read_bytes() for path in kept] == [NEW[:CHUNK]]
    assert kept[0].suffix == ".part", "the name .gitignore knows"
    assert (status, out) == (1, "")
    assert err == (
        f"error: The transfer broke off 5 times (Download is incomplete: received {CHUNK} bytes but the server "
        f"announced 2000000 bytes). What came is kept in {kept[0]}: run the same command to go on." + unchanged(project)
    )
    assert (project / "model" / "model.h5").read_bytes() == OLD
    assert len(pauses) == 4

    server.cuts, server.asked = {}, []
    assert run()[0] == 0
    assert server.asked == [None, f"bytes={CHUNK}-"]
    assert (project / "model" / "model.h5").read_bytes() == NEW
    assert files(project) == ["model.h5"]


def test_transfer_that_brings_nothing_leaves_nothing(project, run, server):
    server.cuts = dict.fromkeys(range(1, 10), 10)
    status, _, err = run()
    assert status == 1
    assert err == (
        "error: The transfer broke off 5 times (Download is incomplete: received 0 bytes but the server announced "
        "2000000 bytes)." + unchanged(project)
    )
    assert_old_file_alone(project)


def test_kept_beginning_of_another_file_is_thrown_away(project, run, server):
    server.cuts = dict.fromkeys(range(1, 10), CHUNK + 1000)
    server.body = NEW[::-1]
    server.ranges = False
    assert run()[0] == 1
    server.cuts, server.body, server.ranges, server.asked = {}, NEW, True, []
    assert run()[0] == 0
    assert server.asked == [None, f"bytes={CHUNK}-", None]
    assert (project / "model" / "model.h5").read_bytes() == NEW
    assert files(project) == ["model.h5"]


def test_two_kept_beginnings_are_both_thrown_away(project, run, server):
    server.cuts = {n: CHUNK + 1000 if n == 1 else 10 for n in range(1, 10)}
    assert run()[0] == 1
    (kept,) = (project / "model").glob("*.part")
    shutil.copy(kept, kept.with_name(kept.name[:-13] + "abcdefgh.part"))
    assert len(files(project)) == 3
    server.cuts, server.asked = {}, []
    assert run()[0] == 0
    assert server.asked == [None]
    assert files(project) == ["model.h5"]


def test_complete_file_that_was_not_yet_moved_is_used(project, run, server):
    staging = hashlib.sha256(server.url.encode()).hexdigest()[:8]
    (project / "model" / f"model.h5.{staging}.part").write_bytes(NEW)
    assert run()[0] == 0
    assert (project / "model" / "model.h5").read_bytes() == NEW
    assert files(project) == ["model.h5"]


def test_no_network_keeps_what_had_come(project, run, server, monkeypatch):
    server.cuts = dict.fromkeys(range(1, 10), CHUNK + 1000)
    server.ranges = False
    assert run()[0] == 1
    before = files(project)
    assert len(before) == 2

    def offline(*args, **kwargs):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", offline)
    status, _, err = run()
    assert status == 1
    assert err.startswith(f"error: No network: could not reach {server.host} (Network is unreachable).")
    assert files(project) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child")
def test_interrupted_by_ctrl_c(project, server, installed):
    server.cuts, server.stall = {1: CHUNK + 1000}, threading.Event()
    process = subprocess.Popen([sys.executable, installed], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 20
    while not any(path.stat().st_size for path in (project / "model").glob("*.part")):
        assert time.monotonic() < until and process.poll() is None, process.communicate(timeout=5)
        threading.Event().wait(0.01)  # time.sleep is noted, not waited, here
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    server.stall.set()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted. What came is kept: run the same command to go on."
    assert "Traceback" not in err
    assert (project / "model" / "model.h5").read_bytes() == OLD
    assert len(files(project)) == 2
