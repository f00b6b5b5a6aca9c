"""EarlyMed over HTTP: the page, the API and `python app.py`. What an image means is decided in model/.

The model is loaded once, before the first request. Uploads are decoded in memory: nothing is written to disk, and no
file name reaches a log.
"""

import io
import logging
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock

from flask import Flask, Response, current_app, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from model.reading import FORMATS
from web import language, serving, settings
from web.api import api
from web.content import content
from web.errors import RequestError, as_request_error
from web.messages import said, told
from web.pages import LINES, error_line, pages, wants_lines
from web.turns import Turns
from web.uploads import ask_for_room, too_many_files

UNREADABLE_FORM = "The form cannot be read. Expected multipart/form-data, with the names of files in UTF-8."
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class FormParser(FormDataParser):
    """Werkzeug takes a form that cannot be read, such as one whose names of files are not in UTF-8, for an empty one.

    And it says of one with too many parts that it has too many bytes.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options | {"silent": False})

    def parse(self, stream, mimetype, *args, **options):
        try:
            return super().parse(stream, mimetype, *args, **options)
        except ValueError:
            raise RequestError(400, "bad_form", UNREADABLE_FORM) from None
        except RequestEntityTooLarge:
            if mimetype != "multipart/form-data":
                raise
            raise too_many_files("more", current_app.config["MAX_FILES"]) from None


class InMemoryRequest(Flask.request_class):
    """Werkzeug spools uploads of more than 500 kB to temporary files; a scan must not touch the disk."""

    form_data_parser_class = FormParser

    def _get_file_stream(self, *args, **kwargs) -> io.BytesIO:
        return io.BytesIO()


def create_app(config: Mapping | None = None, classifier=None) -> Flask:
    """The app: `config` overrides the defaults of `settings.SETTINGS`; without a `classifier` the model is loaded here.

    Raises:
        model.classifier.ModelFileError: the model's file is missing, damaged or not the one its model.json describes.
        model.engines.EngineError: EARLYMED_ENGINE cannot run here.
    """
    logging.getLogger("PIL").setLevel(logging.INFO)  # below, it logs what the tags of a picture say
    app = Flask(__name__)
    app.request_class = InMemoryRequest
    app.json.sort_keys = False  # records read in the order in which design and documents name their keys
    app.config.from_mapping(settings.defaults())
    app.config.from_mapping(config or {})
    app.config["MAX_FORM_PARTS"] = 2 * app.config["MAX_FILES"]  # who sends a few too many hears how many they were
    app.config["MAX_FORM_MEMORY_SIZE"] = None  # MAX_CONTENT_LENGTH is the limit, of fields as of files
    if classifier is None:
        classifier = load_classifier(app.config)
        app.after_request(afterwards(classifier.load_closeup))
    app.extensions["classifier"] = classifier
    app.extensions["turns"] = Turns(app.config["MAX_CONCURRENT"], app.config["MAX_WAITING"], app.config["RETRY_AFTER"])
    app.extensions["limits"] = settings.limits(app.config)
    app.jinja_env.globals.update(formats=FORMATS, model=classifier.info)
    language.init_app(app)
    app.jinja_env.filters["said"] = said
    app.before_request(ask_for_room)
    app.after_request(add_headers)
    app.register_error_handler(Exception, answer_error)
    app.register_blueprint(pages)
    app.register_blueprint(content)
    app.register_blueprint(api)
    return app


def load_classifier(config: Mapping):
    from model.classifier import DEFAULT_MODEL, Classifier  # the slow imports, after the port is taken

    path = config["EARLYMED_MODEL"]
    how = config["EARLYMED_ENGINE"], config["EARLYMED_THREADS"], config["EARLYMED_CACHE"]
    return Classifier.load(Path(path) if path else DEFAULT_MODEL, *how)


def afterwards(task: Callable[[], None]) -> Callable[[Response], Response]:
    """What has a task done once, when the first request has got its answer: a start is shorter so, and by the time that
    somebody has chosen a file it is done.
    """
    first = Lock()

    def tell(done: Future) -> None:
        if error := done.exception():
            logging.getLogger("earlymed").error("%s", error)  # whoever needs it hears it, too

    def start() -> None:
        pool = ThreadPoolExecutor(1)
        with suppress(RuntimeError):  # the process ends, and would not wait for a thread that begins now
            pool.submit(task).add_done_callback(tell)
        pool.shutdown(wait=False)

    def begin(response: Response) -> Response:
        if first.acquire(blocking=False):
            response.call_on_close(start)
        return response

    return begin


def answer_error(error: Exception) -> HTTPException | Response | tuple:
    """The one place where an error becomes an answer: JSON for programs, a page for people."""
    if isinstance(error, HTTPException) and (error.code is None or error.code < 400):
        return error  # a redirect
    problem = as_request_error(error, current_app.config["MAX_CONTENT_LENGTH"])
    if wants_lines():
        return Response(error_line(problem), problem.status, problem.headers, content_type=LINES)
    if request.path.startswith("/api/") or request.path == "/healthz":
        message = told(problem.message) if language.asked_by_page() else problem.message
        body = jsonify(error={"code": problem.code, "message": message})
    else:
        body = render_template("index.html" if request.path == "/" else "error.html", problem=problem)
    return body, problem.status, problem.headers


def add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def main(arguments: list[str]) -> int:
    settings.command_line().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    serving.stop_on_signals()
    serving.keep_memory_flat()
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
    from model.engines import EngineError

    try:
        app = create_app(config)
    except (ModelFileError, EngineError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"EarlyMed is ready on {serving.address(listener)} (Ctrl-C ends it)", flush=True)
    serving.serve(app, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
