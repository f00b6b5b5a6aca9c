"""The outlines of a whole volume as one file, for the one who sent it."""

import logging
import time

import numpy as np
from flask import current_app, request

from model.exports import FORMATS, ExportError, series_with, volume_mask
from web.analysis import ask, describe_timings, milliseconds_since, open_file
from web.errors import RequestError
from web.uploads import uploaded_file

log = logging.getLogger("earlymed")


def mask_volume(index: int, format: str) -> bytes:
    """The mask of the volume or series that a slice of the request's one file belongs to, answered when it is its turn.

    Args:
        format: one of exports.FORMATS.

    Raises:
        RequestError: the file has no such slice, not one slice of the volume was answered, or it cannot be written so.
    """
    with current_app.extensions["turns"].take():
        file = uploaded_file()
        scan, answers = open_file(file.filename, file.read(), current_app.extensions["limits"])
        if index >= len(answers):
            message = f"slice: expected a whole number, 0 to {len(answers) - 1}. Received: {index}."
            raise RequestError(400, "bad_parameter", message)
        classifier = current_app.extensions["classifier"]
        try:
            series = series_with(scan, index)
            answers = answers[series.start : series.stop]
            empty = [np.zeros(answer.pixels.shape[:2], bool) for answer in answers]
            volume_mask(format, series, empty, classifier.version)  # what cannot be written is told before the model is asked
            ask(classifier, answers)
            if all(answer.prediction.status != "ok" for answer in answers):
                raise RequestError(422, "refused", answers[0].prediction.reason)
            start = time.perf_counter()
            written = volume_mask(format, series, [answer.prediction.mask for answer in answers], classifier.version)
        except ExportError as error:
            raise RequestError(422, "no_volume", str(error)) from None
        answers[0].timings_ms["render"] = milliseconds_since(start)
    log.info("%s answered a volume: %s", request.endpoint, describe_timings(answers))
    return written


def file_name(format: str) -> str:
    """What a browser calls it; never the client's own name."""
    return f"mask{FORMATS[format].suffix}"
