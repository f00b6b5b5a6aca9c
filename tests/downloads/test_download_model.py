"""`scripts/download_model.py` against a real HTTP server on this machine that fails in the ways the real ones do."""

import hashlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from web_server import NEW, NO_PERMISSION_PAGE, QUOTA_PAGE, SHA256, assert_old_file_alone, files, unchanged

from scripts import download_model

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
