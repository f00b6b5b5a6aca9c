"""`scripts/download_model.py` against a real HTTP server on this machine that fails in the ways the real ones do."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest
import requests

from model.delivery import write_saved_model_txt
from scripts import download_model

ROOT = Path(__file__).resolve().parent.parent
OLD = b"the old file"
NEW = np.random.default_rng(0).bytes(2_000_000)
SHA256 = hashlib.sha256(NEW).hexdigest()
CHUNK = 512 * 1024  # gdown writes whole chunks: what is cut off inside one is lost
QUOTA_PAGE = b"<!DOCTYPE html><html><p class='uc-error-caption'>Sorry, you can't view or download this file</p></html>"
NO_PERMISSION_PAGE = (
    "No permission: a web page came instead of the file. On Google Drive that means that the file is not shared "
    "with anyone who has the link, or that its download quota is used up: try again tomorrow."
)


class Server(ThreadingHTTPServer):
    """Serves `body` to every GET and notes the Range headers it was asked for.

    Attributes:
        status, content_type: of the answers.
        ranges: whether Range headers are honored.
        cuts: by the number of the request, from 1, after how many bytes of its body the connection drops.
        stall: an event to wait for at a cut, before the connection drops.
        pages: by a path's beginning, (headers, body) instead of `body`.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.status, self.content_type, self.ranges = NEW, 200, "application/octet-stream", True
        self.cuts, self.stall, self.pages, self.asked = {}, None, {}, []
        self.host = f"127.0.0.1:{self.server_port}"
        self.url = f"http://{self.host}/model.h5"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers["Range"]
        server.asked.append(asked)
        cut = server.cuts.get(len(server.asked))
        body, start, headers = server.body, 0, {"Content-Type": server.content_type}
        for path, page in server.pages.items():
            if self.path.startswith(path):
                headers, body = page
        if asked and server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self.send_response(206 if "Content-Range" in headers else server.status)
        for name, value in (headers | {"Content-Length": str(len(body) - start)}).items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # gdown hangs up after the headers when it is going to ask for a range
            self.wfile.write(body[start : None if cut is None else start + cut])
        if cut is not None and server.stall:
            server.stall.wait(20)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def project(tmp_path, server):
    """A repository's top level: Saved Model.txt that wants NEW from the server, and an old model.h5."""
    top = tmp_path / "project"
    (top / "model").mkdir(parents=True)
    (tmp_path / "new.h5").write_bytes(NEW)
    text = top / "Saved Model.txt"
    text.write_text((ROOT / "Saved Model.txt").read_text("utf-8"), "utf-8")
    write_saved_model_txt(tmp_path / "new.h5", text)
    text.write_text(text.read_text("utf-8").replace("link: none published yet", f"link: {server.url}"), "utf-8")
    (top / "model" / "model.h5").write_bytes(OLD)
    return top


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The seconds waited between tries, noted instead of waited; no proxy stands between the test and its server."""
    waited = []
    monkeypatch.setattr(download_model.time, "sleep", waited.append)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return waited


@pytest.fixture
def run(project, capsys):
    """Run main() in the project: (exit status, standard output, the error lines without gdown's progress)."""

    def run(*arguments):
        status = download_model.main([*map(str, arguments), "--quiet"], project)
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def drive(monkeypatch, server):
    """Google Drive's addresses lead to the server; all of gdown's own handling of Drive stays in play."""
    get = requests.Session.get

    def local(self, url, **kwargs):
        return get(self, url.replace("https://drive.google.com", f"http://{server.host}"), **kwargs)

    monkeypatch.setattr(requests.Session, "get", local)


def files(project):
    return sorted(path.name for path in (project / "model").iterdir() if path.suffix not in (".py", ""))


def assert_old_file_alone(project):
    assert (project / "model" / "model.h5").read_bytes() == OLD
    assert files(project) == ["model.h5"], "a temporary file was left"


def unchanged(project):
    return f" {project / 'model' / 'model.h5'} is unchanged.\n"


def hdf5(path):
    with h5py.File(path, "w") as file:
        file["weights"] = np.random.default_rng(1).random(100_000)
    return path.read_bytes()


# What arrives


def test_new_file_replaces_the_old_one(project, run, server):
    target = project / "model" / "model.h5"
    target.chmod(0o640)
    assert run() == (0, f"{target}: 2000000 bytes, SHA-256 {SHA256}.\n", "")
    assert target.read_bytes() == NEW
    assert target.stat().st_mode & 0o777 == 0o640
    assert files(project) == ["model.h5"]
    assert server.asked == [None]


def test_missing_file_is_fetched_and_readable_by_all(project, run):
    target = project / "model" / "model.h5"
    target.unlink()
    assert run()[0] == 0
    assert target.read_bytes() == NEW
    assert target.stat().st_mode & 0o777 == 0o644


def test_file_in_place_is_not_fetched_again(project, run, server):
    target = project / "model" / "model.h5"
    target.write_bytes(NEW)
    assert run() == (0, f"{target} is in place already: 2000000 bytes, SHA-256 {SHA256}.\n", "")
    assert server.asked == []


def test_out_and_url(project, run, server, tmp_path):
    text = project / "Saved Model.txt"
    text.write_text(text.read_text("utf-8").replace(server.url, "none published yet"), "utf-8")
    out = tmp_path / "elsewhere.h5"
    assert run("--out", out, "--url", server.url)[0] == 0
    assert out.read_bytes() == NEW
    assert_old_file_alone(project)


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


# What is refused


def test_wrong_hash(project, run, server):
    server.body = NEW[:-1] + bytes([NEW[-1] ^ 1])
    received = hashlib.sha256(server.body).hexdigest()
    message = f"error: Wrong SHA-256: expected {SHA256}. Received: {received}." + unchanged(project)
    assert run() == (1, "", message)
    assert_old_file_alone(project)
    assert len(server.asked) == 1, "the same wrong file is not fetched again"


@pytest.mark.parametrize(("body", "received"), [(NEW[:-1], "1999999"), (b"", "0"), (NEW + b"x", "more"), (NEW + NEW, "more")])
def test_wrong_size(project, run, server, body, received):
    server.body = body
    message = f"error: Wrong size: expected 2000000 bytes. Received: {received}." + unchanged(project)
    assert run() == (1, "", message)
    assert_old_file_alone(project)


@pytest.mark.parametrize("page", [QUOTA_PAGE, b"\xef\xbb\xbf\n<HTML><body>Sign in</body></HTML>"])
def test_web_page_instead_of_the_file(project, run, server, page):
    server.body, server.content_type = page, "text/html; charset=utf-8"
    assert run() == (1, "", f"error: {NO_PERMISSION_PAGE}" + unchanged(project))
    assert_old_file_alone(project)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "No permission: {host} answered 401 Unauthorized."),
        (403, "No permission: {host} answered 403 Forbidden."),
        (404, "No file: {host} answered 404 Not Found."),
        (429, "No permission: {host} answered 429 Too Many Requests."),
        (503, "The transfer broke off 5 times ({host} answered 503 Service Unavailable)."),
    ],
)
def test_refusals_of_the_server(project, run, server, status, message):
    server.status = status
    assert run() == (1, "", f"error: {message.format(host=server.host)}" + unchanged(project))
    assert_old_file_alone(project)
    assert len(server.asked) == (5 if status == 503 else 1)


def test_connection_refused(project, run):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"  # bound but not listening
        answer = run("--url", f"http://{host}/model.h5")
    assert answer == (1, "", f"error: No network: could not reach {host} (Connection refused)." + unchanged(project))
    assert_old_file_alone(project)


def test_name_that_does_not_resolve(project, run, monkeypatch):
    def unresolved(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    status, _, err = run("--url", "http://weights.example/model.h5")
    assert status == 1
    assert err == (
        "error: No network: could not reach weights.example (Temporary failure in name resolution)." + unchanged(project)
    )


def test_server_that_does_not_answer(project, run, monkeypatch):
    monkeypatch.setattr(download_model, "TIMEOUT_SECONDS", (5, 0.05))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        answer = run("--url", f"http://{host}/model.h5")
    assert answer == (1, "", f"error: The transfer from {host} failed (timed out)." + unchanged(project))
    assert_old_file_alone(project)


# Where it cannot be put


def test_folder_is_missing(project, run, server, tmp_path):
    out = tmp_path / "missing" / "model.h5"
    assert run("--out", out) == (1, "", f"error: Cannot write {out}: there is no folder {out.parent}.\n")
    assert server.asked == []
    assert not out.parent.exists()


def test_target_is_a_folder(project, run, server):
    out = project / "model"
    assert run("--out", out) == (1, "", f"error: Cannot write {out}: it is a folder.\n")
    assert_old_file_alone(project)


@pytest.mark.skipif(os.name == "nt", reason="needs the permissions of POSIX")
def test_folder_cannot_be_written(project, capsys):
    top = Path(tempfile.mkdtemp())  # tmp_path lies below folders that only its owner may enter
    shutil.copytree(project, top, dirs_exist_ok=True)
    top.chmod(0o755)
    (top / "model").chmod(0o555)
    user = os.geteuid()
    try:
        if user == 0:  # root may write anywhere; nobody may not
            os.seteuid(65534)
        status = download_model.main(["--quiet"], top)
        os.seteuid(user)
        message = f"error: Cannot write {top / 'model' / 'model.h5'}: Permission denied.\n"
        assert (status, *capsys.readouterr()) == (1, "", message)
        assert_old_file_alone(top)
    finally:
        os.seteuid(user)
        (top / "model").chmod(0o755)
        shutil.rmtree(top)


def test_disk_is_full(project, run, server, monkeypatch):
    write = download_model.gdown.download

    def full(*args, **kwargs):
        write(*args, **kwargs)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download_model.gdown, "download", full)
    target = project / "model" / "model.h5"
    assert run() == (1, "", f"error: Cannot write {target}: No space left on device.\n")
    assert_old_file_alone(project)


# What Saved Model.txt says


def test_no_link_is_published(project, run, server):
    text = project / "Saved Model.txt"
    text.write_text(text.read_text("utf-8").replace(server.url, "none published yet"), "utf-8")
    assert run() == (
        1,
        "",
        "error: No download link is published yet. model/model.h5 is part of the repository: restore it with "
        "`git checkout -- model/model.h5`, or name a copy of it with --url URL.\n",
    )
    assert_old_file_alone(project)


def test_no_hash_to_check_against(project, run, server):
    text = project / "Saved Model.txt"
    text.write_text(text.read_text("utf-8").replace(SHA256, "unknown"), "utf-8")
    message = "error: Saved Model.txt has no SHA-256 for model.h5: what comes could not be checked.\n"
    assert run() == (1, "", message)
    assert server.asked == []


def test_saved_model_txt_is_missing_or_another(project, run):
    text = project / "Saved Model.txt"
    text.write_text("just prose\n", "utf-8")
    assert run() == (1, "", "error: Saved Model.txt names no 'model.h5'.\n")
    text.unlink()
    status, _, err = run()
    assert status == 1
    assert err == f"error: Saved Model.txt cannot be read: [Errno 2] No such file or directory: '{text}'\n"


# The original project's file

WARNING = (
    "Warning: this is the original project's file, not EarlyMed's model. The order of its labels is unproven, and no "
    "SHA-256 of it is known: whether what comes is what was published cannot be checked.\n"
)


def drive_file(body):
    return {"Content-Type": "application/octet-stream", "Content-Disposition": 'attachment; filename="model.h5"'}, body


def test_original_comes_past_drive_s_virus_scan_page_to_a_name_of_its_own(project, run, server, drive, tmp_path, monkeypatch):
    cookies = tmp_path / "cookies.txt"
    monkeypatch.setattr(sys.modules["gdown.download"], "DEFAULT_COOKIES_FILE", str(cookies))
    body = hdf5(tmp_path / "made.h5")
    form = (
        b'<html><form id="download-form" action="https://drive.google.com/download" method="get">'
        b'<input type="hidden" name="id" value="1C"><input type="hidden" name="confirm" value="t"></form></html>'
    )
    server.pages = {"/uc?id=1C-1VND4LD8": ({"Content-Type": "text/html"}, form), "/download?id=1C": drive_file(body)}
    target = project / "model" / "original.h5"
    sha256 = hashlib.sha256(body).hexdigest()
    assert run("--original") == (0, f"{target}: {len(body)} bytes, SHA-256 {sha256}, unproven.\n", WARNING)
    assert target.read_bytes() == body
    assert (project / "model" / "model.h5").read_bytes() == OLD
    assert files(project) == ["model.h5", "original.h5"]
    assert not cookies.exists()


def test_original_beyond_drive_s_quota(project, run, server, drive):
    server.pages = {"/uc": ({"Content-Type": "text/html"}, QUOTA_PAGE)}
    status, out, err = run("--original")
    assert (status, out) == (1, "")
    assert err == WARNING + (
        "error: No permission: Google Drive gives a page instead of the file. It is not shared with anyone who has the "
        "link, or its download quota is used up: try again tomorrow, or open "
        "https://drive.google.com/uc?id=1C-1VND4LD8-lK9o2Rdc05SzCxr2EyYEs in a browser.\n"
    )
    assert_old_file_alone(project)


@pytest.mark.parametrize(("cut", "message"), [(slice(0, -1000), "truncated file"), (slice(8, None), "signature not found")])
def test_original_without_a_hash_must_at_least_be_whole(project, run, server, tmp_path, cut, message):
    target = project / "model" / "original.h5"
    target.write_bytes(OLD)
    server.body = hdf5(tmp_path / "made.h5")[cut]
    status, _, err = run("--original", "--url", server.url)
    assert status == 1
    assert err.startswith(WARNING + "error: Not a model: expected a whole HDF5 file. Received: ")
    assert message in err and err.endswith(f" {target} is unchanged.\n")
    assert target.read_bytes() == OLD
    assert files(project) == ["model.h5", "original.h5"]


# The command line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "ftp://x/model.h5"], "--url: expected http:// or https://. Received: ftp://x/model.h5"),
        (["--url", "model.h5"], "--url: expected http:// or https://. Received: model.h5"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_wrong_usage(project, run, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_original_never_replaces_earlymed_s_model(project, run, server, capsys):
    with pytest.raises(SystemExit) as stop:
        run("--original", "--url", server.url, "--out", project / "model" / ".." / "model" / "model.h5")
    assert stop.value.code == 2
    assert "--original: expected another --out than EarlyMed's own model." in capsys.readouterr().err
    assert server.asked == []
    assert_old_file_alone(project)


@pytest.fixture
def installed(project):
    """The script and what it imports, laid into the project: it finds all by its own place."""
    (project / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "download_model.py", project / "scripts")
    for name in ("__init__.py", "delivery.py"):
        shutil.copy(ROOT / "model" / name, project / "model")
    return project / "scripts" / "download_model.py"


def test_runs_from_anywhere_and_shows_progress(project, installed, tmp_path):
    command = [sys.executable, "-B", installed]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (project / "model" / "model.h5").read_bytes() == NEW
    assert "100%" in done.stderr and "2.00M/2.00M" in done.stderr
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (again.returncode, again.stderr) == (0, "")
    assert "is in place already" in again.stdout


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        download_model.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for word in ("--url", "--out", "--original", "--quiet", "git checkout -- model/model.h5", "Exit status: 0"):
        assert word in shown
