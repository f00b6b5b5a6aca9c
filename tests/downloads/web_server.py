"""A web server on this machine that breaks off, stalls and refuses when it is told to; and what is left in the project."""

import contextlib
import hashlib
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
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
