"""A web server that fails as the real ones do, and a project that wants a file from it."""

import shutil
import threading

import pytest
import requests
from web_server import NEW, OLD, ROOT, Server

from model.delivery import write_saved_model_txt
from scripts import download_model


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


@pytest.fixture
def installed(project):
    """The script and what it imports, laid into the project: it finds all by its own place."""
    (project / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "download_model.py", project / "scripts")
    for name in ("__init__.py", "delivery.py"):
        shutil.copy(ROOT / "model" / name, project / "model")
    return project / "scripts" / "download_model.py"
