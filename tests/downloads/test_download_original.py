"""The original project's file, and the script as a command."""

import hashlib
import subprocess
import sys

import pytest
from web_server import NEW, OLD, QUOTA_PAGE, assert_old_file_alone, files, hdf5

from scripts import download_model

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
