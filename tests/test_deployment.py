"""docs/deployment.md: its nginx configuration, run by a real nginx in front of the real server."""

import base64
import getpass
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nibabel
import numpy as np
import pytest

from servers import free_port, running_server
from web.pages import LINES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
SAMPLE = sorted((ROOT / "tests" / "samples").glob("*.jpg"))[0]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


def test_limits_are_the_servers():
    from web import settings

    size = settings.defaults()["MAX_CONTENT_LENGTH"] / 2**20
    assert f"client_max_body_size {size:.0f}m;" in TEXT
    assert "proxy_pass http://127.0.0.1:5000;" in TEXT and settings.defaults()["PORT"] == 5000


def test_every_linked_file_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert "clinic.md" in links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit(tmp_path):
    text = re.search(r"```ini\n(.*?)```", TEXT, re.S).group(1)
    start = "ExecStart=/opt/earlymed/.venv/bin/python app.py"
    assert start in text
    unit = tmp_path / "earlymed.service"
    unit.write_text(text.replace(start, f"ExecStart={Path(sys.executable).resolve()} app.py"))
    checked = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (checked.returncode, [line for line in checked.stderr.splitlines() if "earlymed" in line]) == (0, [])


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """The address of nginx with the document's configuration; only paths and ports are changed, and its name."""
    if not NGINX or not shutil.which("openssl"):
        if os.environ.get("EARLYMED_PROXY_TESTS") == "required":
            pytest.fail("nginx or openssl is not installed, but EARLYMED_PROXY_TESTS=required")
        pytest.skip("nginx or openssl is not installed")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    folder.chmod(0o755)
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*certificate, "-keyout", folder / "key", "-out", folder / "crt"], check=True, capture_output=True)
    (folder / "users").write_text("nurse:{PLAIN}secret\n")
    with running_server() as server:
        block = re.search(r"```nginx\n(.*?)```", TEXT, re.S).group(1)
        for old, new in (
            ("listen 443", f"listen 127.0.0.1:{port}"),
            ("/etc/ssl/earlymed.crt", f"{folder}/crt"),
            ("/etc/ssl/earlymed.key", f"{folder}/key"),
            ("/etc/nginx/earlymed.htpasswd", f"{folder}/users"),
            ("http://127.0.0.1:5000", server.url),
        ):
            assert old in block
            block = block.replace(old, new)
        places = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = folder / "nginx.conf"
        config.write_text(
            # as the one who runs the test, for whom alone pytest's folder is readable
            f"daemon off; user {getpass.getuser()}; pid {folder}/pid; error_log {folder}/error.log;\n"
            f"events {{}}\nhttp {{ {places}\n{block} }}\n"
        )
        command = [NGINX, "-p", str(folder), "-c", str(config)]
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield f"https://127.0.0.1:{port}", folder
        finally:
            process.terminate()
            process.wait(30)


def ask(url: str, body: bytes | None = None, password: str = "secret", accept: str = "*/*"):
    request = urllib.request.Request(url, body, {"Accept": accept})
    request.add_header("Authorization", "Basic " + base64.b64encode(f"nurse:{password}".encode()).decode())
    request.add_header("Content-Type", "multipart/form-data; boundary=edge")
    deadline = time.monotonic() + 30
    while True:
        try:
            return urllib.request.urlopen(request, timeout=120, context=ssl._create_unverified_context())
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:  # nginx does not listen yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def form(content: bytes) -> bytes:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="Ophelia.jpg"\r\n\r\n'
    return head + content + b"\r\n--edge--\r\n"


def test_an_upload_goes_through_and_leaves_nothing(proxied):
    url, folder = proxied
    with ask(f"{url}/api/v1/predict", form(SAMPLE.read_bytes() + bytes(2**20))) as response:
        assert json.load(response)["status"] == "ok"
    assert "Ophelia" not in (folder / "error.log").read_text()
    assert "temporary file" not in (folder / "error.log").read_text()
    assert not list(folder.rglob("access.log"))


def test_how_far_the_work_is_comes_while_it_is_at_work(proxied):
    """Lines of a few bytes, which nginx would keep until it has a page of them."""
    values = np.random.default_rng(0).integers(0, 400, (64, 64, 100)).astype(np.int16)
    began, came = time.monotonic(), []
    with ask(proxied[0], form(nibabel.Nifti1Image(values, np.eye(4)).to_bytes()), accept=LINES) as response:
        for line in response:
            if "done" in json.loads(line):
                came.append(time.monotonic())
    assert len(came) > 5
    assert came[len(came) // 2] - began < 0.8 * (came[-1] - began)


def test_nobody_without_a_password(proxied):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(f"{proxied[0]}/", password="guessed")
    assert refused.value.code == 401


def test_too_large_a_body_is_refused(proxied):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(f"{proxied[0]}/api/v1/predict", form(bytes(97 * 2**20)))
    assert refused.value.code == 413
