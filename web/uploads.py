"""A request's files: their turn at the model, and the answers."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from flask import current_app, request
from werkzeug.datastructures import FileStorage

from web.analysis import Analysis, Answer, analyze, ask, describe_timings, milliseconds_since, open_files
from web.errors import RequestError
from web.following import follow
from web.serving import NotHeld

log = logging.getLogger("earlymed")


class Turns:
    """`concurrent` requests are at work, `waiting` more stand in line; the next one is turned away."""

    def __init__(self, concurrent: int, waiting: int, retry_after: int):
        self.places = threading.BoundedSemaphore(concurrent + waiting)
        self.desks = threading.BoundedSemaphore(concurrent)
        self.retry_after = retry_after

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a turn.

        Raises:
            RequestError: as many as may are waiting already.
        """
        if not self.places.acquire(blocking=False):
            raise busy("Too many images are being analyzed.", self.retry_after)
        try:
            with self.desks:
                yield
        finally:
            self.places.release()


def ask_for_room() -> None:
    """Before a request is answered.

    Raises:
        RequestError: its body was not kept, because too much is held already.
    """
    if isinstance(request.environ.get("wsgi.input"), NotHeld):
        raise busy("More is being sent at once than is held in memory.", current_app.config["RETRY_AFTER"])


def busy(why: str, seconds: int) -> RequestError:
    return RequestError(503, "busy", f"{why} Please try again in {seconds} seconds.", {"Retry-After": str(seconds)})


def uploaded_files() -> list[FileStorage]:
    """The form field `file`, one or several times.

    Raises:
        RequestError: none came, or more than MAX_FILES.
    """
    # A form sent with nothing chosen holds one file without a name, which is none.
    files = [file for file in request.files.getlist("file") if file.filename]
    limit = current_app.config["MAX_FILES"]
    if not files:
        raise RequestError(400, "no_file", "No file was chosen. Expected an image in the form field “file”.")
    if len(files) > limit:
        raise too_many_files(f"{len(files):,}", limit)
    return files


def too_many_files(received: str, limit: int) -> RequestError:
    return RequestError(413, "too_many_files", f"Expected at most {limit:,} files at once. Received: {received}.")


def uploaded_file() -> FileStorage:
    """The one file.

    Raises:
        RequestError: none came, or several.
    """
    files = uploaded_files()
    if len(files) > 1:
        raise RequestError(400, "one_file", f"Expected one file. Received: {len(files)}.")
    return files[0]


def named_files() -> list[tuple[str, bytes]]:
    """(name, bytes) of the request's files."""
    return [(file.filename, file.read()) for file in uploaded_files()]


def answer_upload(files: Callable[[], list[tuple[str, bytes]]] = named_files) -> Analysis:
    """The request's files, answered when it is their turn."""
    *_, analysis = follow_upload(files)
    return analysis


def follow_upload(files: Callable[[], list[tuple[str, bytes]]] = named_files) -> Iterator[tuple[int, int] | Analysis]:
    """The same step by step: (done, total) of the slices, first (0, 0) when its turn has come; the Analysis is the last.

    The turn is given back when the analysis is done, or when the iterator is closed.
    """
    with current_app.extensions["turns"].take():
        named = files()
        yield 0, 0
        classifier, limits = current_app.extensions["classifier"], current_app.extensions["limits"]
        analysis = yield from follow(lambda progress: analyze(classifier, named, limits, progress))
    log.info("%s answered %d file(s): %s", request.endpoint, len(named), describe_timings(analysis))
    yield analysis


def chosen(answers: Sequence[Answer], index: int) -> Answer:
    """The one slice that is asked for.

    Raises:
        ReadError: of the file that has the index, or of the first when none can be read.
        RequestError: there is no such slice.
    """
    if all(answer.error for answer in answers):
        raise answers[0].error
    if index >= len(answers):
        message = f"slice: expected a whole number, 0 to {len(answers) - 1}. Received: {index}."
        raise RequestError(400, "bad_parameter", message)
    if answers[index].error:
        raise answers[index].error
    return answers[index]


def draw_slice(index: int, draw: Callable[[Answer], bytes]) -> bytes:
    """One slice of the request's one file, answered when it is its turn, and drawn.

    Raises:
        RequestError: the file has no such slice, or it was refused.
    """
    with current_app.extensions["turns"].take():
        file = uploaded_file()
        answers, _ = open_files([(file.filename, file.read())], current_app.extensions["limits"])
        answer = chosen(answers, index)
        ask(current_app.extensions["classifier"], [answer])
        if answer.prediction.status != "ok":
            raise RequestError(422, "refused", answer.prediction.reason)
        start = time.perf_counter()
        drawn = draw(answer)
        answer.timings_ms["render"] = milliseconds_since(start)
    log.info("%s answered a slice: %s", request.endpoint, describe_timings([answer]))
    return drawn
