"""The page: what is sent, and the answer as a whole page, or line by line to a script that shows how far it is."""

import json
import time
from collections.abc import Generator, Iterator
from datetime import datetime
from pathlib import Path

from flask import Blueprint, Response, current_app, render_template, request, stream_with_context
from flask_babel import gettext, lazy_gettext, ngettext

from model.labels import CLASSES, LABELS
from model.records import csv_lines
from web import pictures
from web.analysis import Analysis
from web.errors import RequestError, as_request_error
from web.items import Item, items
from web.messages import said
from web.pictures import as_uri
from web.uploads import answer_upload, follow_upload, gone, log, named_files

LINES = "application/x-ndjson"
SAMPLES = {label: f"{label}.jpg" for label in LABELS} | {"letter": "letter.png"}  # to try the page with; the last is refused
SAMPLE_FOLDER = Path(__file__).parents[1] / "static" / "samples"
DETAILED = 24  # items of one answer that are shown one below the other where no script opens them one by one

pages = Blueprint("pages", __name__)


@pages.get("/")
def home() -> str:
    return render_template("index.html")


@pages.app_context_processor
def page_words() -> dict:
    """What index.html shows, for a visit and beside an error."""
    names = {label.key: lazy_gettext(label.display) for label in CLASSES} | {"letter": lazy_gettext("A letter, to be refused")}
    return {"samples": names.items(), "evidence_colors": pictures.colors()}


@pages.post("/")
def answer_page() -> str | Response:
    if wants_lines():
        lines = stream_with_context(started(answer_lines()))
        return Response(lines, headers={"X-Accel-Buffering": "no"}, content_type=LINES)  # nginx keeps short lines otherwise
    analysis = answer_upload(page_files)
    return render_template("answer.html", detailed=DETAILED, **context(analysis, items(analysis), live=False))


def wants_lines() -> bool:
    return request.endpoint == "pages.answer_page" and request.accept_mimetypes.best == LINES


def page_files() -> list[tuple[str, bytes]]:
    """(name, bytes) of the files sent, or of the sample that was picked.

    Raises:
        RequestError: none came, told to a person, who knows nothing of form fields; or too many.
    """
    sample = request.form.get("sample")
    if sample in SAMPLES and not request.files:
        return [(SAMPLES[sample], (SAMPLE_FOLDER / SAMPLES[sample]).read_bytes())]
    try:
        return named_files()
    except RequestError as error:
        if error.code != "no_file":
            raise
        message = "No file was chosen. Please choose a file first, or try one of the samples."
        raise RequestError(error.status, error.code, message) from None


def started(lines: Generator[str, None, None]) -> Iterator[str]:
    """The same lines; the first is made at once, so that what fails before it gets its own status. None when nobody waits."""
    first = next(lines, None)
    if first is None:
        return iter(())

    def rest() -> Iterator[str]:
        try:
            yield first
            yield from lines
        finally:
            lines.close()

    return rest()


def answer_lines() -> Generator[str, None, None]:
    """How far it is, then for each item its pictures and its text, then the page around them; or the error.

    {"done", "of"}; {"layers", "item"}; {"html", "item"}; {"html", "title"}; {"error"}
    """
    began = False
    try:
        for step in follow_upload(page_files):
            if gone():
                return
            if isinstance(step, Analysis):
                yield from shown_lines(step)
            else:
                yield line(done=step[0], of=step[1])
            began = True
    except Exception as error:
        if not began:
            raise
        yield error_line(error)


def shown_lines(analysis: Analysis) -> Iterator[str]:
    start = time.perf_counter()
    found = items(analysis)
    around = context(analysis, found, live=True)
    side = pictures.LARGE if len(analysis) <= 4 else pictures.MEDIUM
    for item in found:
        for index, answer in enumerate(item.answers):
            if answer.prediction:
                yield line(item=item.number, layers=layers_of(item, index, side))
        yield line(item=item.number, html=render_template("_item.html", item=item, **around))
    log.info("%s drew %d slice(s): render %.0f ms", request.endpoint, len(analysis), (time.perf_counter() - start) * 1000)
    yield line(title=title(found), html=render_template("_answer.html", **around))


def layers_of(item: Item, index: int, side: int) -> dict:
    """What the viewer needs of one slice: its layers, and its answer in words."""
    answer = item.answers[index]
    prediction = answer.prediction
    about = {
        "label": prediction.label,
        "uncertain": prediction.uncertain,
        "tumor": 0.0 if prediction.label is None else 1.0 - prediction.probabilities["notumor"],
        "words": render_template("_slice_words.txt", item=item, answer=answer, index=index).strip(),
    }
    return pictures.layers(answer.pixels, prediction, side, answer.aspect) | about


def context(analysis: Analysis, found: list[Item], live: bool) -> dict:
    """What the templates of an answer are given; `live` when a script shows it."""
    version = current_app.extensions["classifier"].version
    records = [answer.record(version) for answer in analysis]
    studies = [study.record(version) for study in analysis.studies]
    downloads = {
        "csv": as_uri(csv_lines(records).encode(), "text/csv;charset=utf-8"),
        "json": as_uri(json.dumps({"records": records, "studies": studies}, indent=1).encode(), "application/json"),
    }
    return {
        "items": found,
        "live": live,
        "downloads": downloads,
        "notes": dict.fromkeys(note for answer in analysis for note in answer.notes),
        "pictures": pictures,
        "now": datetime.now().astimezone(),
        "title": title(found),
    }


def title(found: list[Item]) -> str:
    if len(found) > 1:
        return ngettext("%(num)d result", "Your %(num)d results", len(found))
    return gettext("Your result")


def line(**content) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


def error_line(error: Exception) -> str:
    """The title and the message are HTML."""
    problem = as_request_error(error, current_app.config["MAX_CONTENT_LENGTH"])
    told = {"title": said(problem.title), "message": said(problem.message)}
    return line(error={"status": problem.status, "code": problem.code} | told)
