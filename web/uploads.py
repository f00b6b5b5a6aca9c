"""A request's files: their turn at the model, and the answers."""

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing

from flask import current_app, request
from werkzeug.datastructures import FileStorage

from web.analysis import Analysis, Answer, analyze, ask, describe_timings, milliseconds_since, open_files
from web.errors import RequestError
from web.following import follow
from web.serving import NotHeld
from web.turns import busy, nobody_waits

log = logging.getLogger("earlymed")


def ask_for_room() -> None:
    """Before a request is answered.

    Raises:
        RequestError: its body was not kept, because too much is held already.
    """
    if isinstance(request.environ.get("wsgi.input"), NotHeld):
        raise busy("More is being sent at once than is held in memory.", current_app.config["RETRY_AFTER"])


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


def gone() -> bool:
    """Whether the client is known to have gone away."""
    return request.environ.get("waitress.client_disconnected", lambda: False)()


def own_turn() -> AbstractContextManager[None]:
    """The request's turn at the model, as long as its client waits for it; see `Turns.take`."""
    return current_app.extensions["turns"].take(gone)


def named_files() -> list[tuple[str, bytes]]:
    """(name, bytes) of the request's files."""
    return [(file.filename, file.read()) for file in uploaded_files()]


def answer_upload(files: Callable[[], list[tuple[str, bytes]]] = named_files) -> Analysis:
    """The request's files, answered when it is their turn, and only as long as the client waits for it.

    Raises:
        RequestError: it has gone away.
    """
    with closing(follow_upload(files)) as steps:
        for step in steps:
            if isinstance(step, Analysis):
                return step
            if gone():
                raise nobody_waits()


def follow_upload(
    files: Callable[[], list[tuple[str, bytes]]] = named_files,
) -> Generator[tuple[int, int] | Analysis, None, None]:
    """The same step by step: (done, total) of the slices, first (0, 0) when its turn has come; the Analysis is the last.

    The turn is given back when the analysis is done, or when the iterator is closed.
    """
    with own_turn():
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
    with own_turn():
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
