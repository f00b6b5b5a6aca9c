"""The outlines of a whole volume as one file, for the one who sent it."""

import logging
import time

import numpy as np
from flask import current_app, request

from model.exports import FORMATS, ExportError, volume_mask
from web.analysis import ask, describe_timings, milliseconds_since, open_files
from web.errors import RequestError
from web.uploads import chosen, named_files, own_turn

log = logging.getLogger("earlymed")


def mask_volume(index: int, format: str) -> bytes:
    """The mask of the volume or series that one of the slices sent belongs to, answered when it is its turn.

    Args:
        index: of the slice among all that were sent, as among the records of a prediction.
        format: one of exports.FORMATS.

    Raises:
        ReadError: of the file that has the index, or of the first when none can be read.
        RequestError: there is no such slice, not one slice of the volume was answered, or it cannot be written so.
    """
    with own_turn():
        answers, volumes = open_files(named_files(), current_app.extensions["limits"])
        asked_for = chosen(answers, index)
        classifier = current_app.extensions["classifier"]
        answers = next((volume.answers for volume in volumes if volume.series is asked_for.series), [asked_for])
        try:
            series = asked_for.series
            if series is None:
                raise ExportError("Expected a slice of a volume or series. Received: a single picture.")
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
