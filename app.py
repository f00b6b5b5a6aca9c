"""EarlyMed over HTTP: the page, the API and `python app.py`. What an image means is decided in model/.

The model is loaded once, before the first request. Uploads are decoded in memory: nothing is written to disk, and no
file name reaches a log.
"""

import io
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from model.labels import CLASSES
from model.reading import FORMATS
from web import serving, settings
from web.analysis import Answer, analyze, describe_timings
from web.errors import RequestError, as_request_error

OPENAPI = Path(__file__).parent / "web" / "openapi.json"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

log = logging.getLogger("earlymed")
pages = Blueprint("pages", __name__)


class InMemoryRequest(Flask.request_class):
    """Werkzeug spools uploads of more than 500 kB to temporary files; a scan must not touch the disk."""

    def _get_file_stream(self, *args, **kwargs) -> io.BytesIO:
        return io.BytesIO()


class Turns:
    """`concurrent` requests are at work, `waiting` more stand in line; the next one is turned away."""

    def __init__(self, concurrent: int, waiting: int, retry_after: int):
        self.places = threading.BoundedSemaphore(concurrent + waiting)
        self.desks = threading.BoundedSemaphore(concurrent)
        self.retry_after = retry_after

    @contextmanager
    def take(self) -> Iterator[None]:
        if not self.places.acquire(blocking=False):
            message = f"Too many images are being analyzed. Please try again in {self.retry_after} seconds."
            raise RequestError(503, "busy", message, {"Retry-After": str(self.retry_after)})
        try:
            with self.desks:
                yield
        finally:
            self.places.release()


def create_app(config: Mapping | None = None, classifier=None) -> Flask:
    """The app: `config` overrides the defaults of `settings.SETTINGS`; without a `classifier` the model is loaded here.

    Raises:
        model.classifier.ModelFileError: the model's file is missing, damaged or not the one its model.json describes.
    """
    app = Flask(__name__)
    app.request_class = InMemoryRequest
    app.json.sort_keys = False  # records read in the order in which design and documents name their keys
    app.config.from_mapping(settings.defaults())
    app.config.from_mapping(config or {})
    if classifier is None:
        classifier = load_classifier(app.config["EARLYMED_MODEL"])
    app.extensions["classifier"] = classifier
    app.extensions["turns"] = Turns(app.config["MAX_CONCURRENT"], app.config["MAX_WAITING"], app.config["RETRY_AFTER"])
    app.jinja_env.filters["percent"] = percent
    app.jinja_env.globals.update(classes={c.key: c for c in CLASSES}, formats=FORMATS, model=classifier.info)
    app.after_request(add_headers)
    app.register_error_handler(Exception, answer_error)
    app.register_blueprint(pages)
    return app


def load_classifier(path: str):
    from model.classifier import DEFAULT_MODEL, Classifier  # TensorFlow comes with it

    return Classifier.load(Path(path) if path else DEFAULT_MODEL)


@pages.get("/")
def home() -> str:
    return render_template("index.html")


@pages.post("/")
def answer_page() -> str:
    return render_template("index.html", answers=answer_upload(draw=True))


@pages.post("/api/v1/predict")
def predict() -> Response:
    records = [answer.record(current_app.extensions["classifier"].version) for answer in answer_upload(draw=False)]
    return jsonify(records[0] if len(records) == 1 else {"records": records})


@pages.get("/api/v1/model")
def model_info() -> Response:
    return jsonify(current_app.extensions["classifier"].info)


@pages.get("/api/openapi.json")
def openapi() -> Response:
    return jsonify(json.loads(OPENAPI.read_text(encoding="utf-8")))


@pages.get("/healthz")
def healthz() -> Response:
    return jsonify(status="ok", model=current_app.extensions["classifier"].version)


def answer_upload(draw: bool) -> list[Answer]:
    """The request's files, answered when it is their turn."""
    with current_app.extensions["turns"].take():
        # A form sent with nothing chosen holds one file without a name, which is none.
        files = [file for file in request.files.getlist("file") if file.filename]
        limit = current_app.config["MAX_FILES"]
        if not files:
            raise RequestError(400, "no_file", "No file was chosen. Expected an image in the form field “file”.")
        if len(files) > limit:
            message = f"Expected at most {limit} files at once. Received: {len(files)}."
            raise RequestError(413, "too_many_files", message)
        answers = analyze(current_app.extensions["classifier"], ((file.filename, file.read()) for file in files))
        if draw:
            for answer in answers:
                if answer.prediction:
                    answer.draw()
    log.info("%s answered %d file(s): %s", request.endpoint, len(files), describe_timings(answers))
    return answers


def answer_error(error: Exception) -> HTTPException | tuple:
    """The one place where an error becomes an answer: JSON for programs, a page for people."""
    if isinstance(error, HTTPException) and (error.code is None or error.code < 400):
        return error  # a redirect
    problem = as_request_error(error, current_app.config["MAX_CONTENT_LENGTH"])
    if request.path.startswith("/api/") or request.path == "/healthz":
        body = jsonify(error={"code": problem.code, "message": problem.message})
    else:
        body = render_template("index.html" if request.path == "/" else "error.html", problem=problem)
    return body, problem.status, problem.headers


def add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def percent(fraction: float) -> str:
    """0.913 as "91.3%". Never 0% or 100%, which no network can promise."""
    if fraction < 0.001:
        return "< 0.1%"
    return "> 99.9%" if fraction > 0.999 else f"{fraction:.1%}"


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    serving.stop_on_signals()
    try:
        config = settings.defaults() | settings.from_environ(os.environ)
    except settings.SettingError as error:
        print(error, file=sys.stderr)
        return 2
    try:  # before the slow part, so that a port in use is told at once
        listener = serving.listen(config["HOST"], config["PORT"])
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno > 0 else error.strerror
        where = f"{config['HOST']}, port {config['PORT']}"
        print(f"Cannot listen on {where}: {reason}. Set PORT or HOST to another.", file=sys.stderr)
        return 1
    from model.classifier import ModelFileError

    try:
        app = create_app(config)
    except ModelFileError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"EarlyMed is ready on {serving.address(listener)} (Ctrl-C ends it)", flush=True)
    serving.serve(app, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
