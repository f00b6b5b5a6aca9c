"""Requests that get no answer: what a program is told (status, code), what a person is told."""

import logging
from collections.abc import Mapping

from werkzeug.exceptions import HTTPException

from model.reading import EmptyFile, OverLimit, ReadError, UnsupportedFormat

# What a program may be told of a request for an answer, by status.
CODES = {
    400: {
        "no_file": "nothing was sent in the form field `file`",
        "bad_form": "not multipart/form-data, or cut short, or names of files that are not in UTF-8",
        "empty_file": "no bytes",
        "one_file": "several files where one is expected: for a picture",
        "bad_parameter": "a parameter that is not of its kind or out of its range",
    },
    406: {"not_acceptable": "`Accept` asks for what this address does not give"},
    413: {"too_large": "more bytes, pixels or slices than is allowed", "too_many_files": "more files than is allowed"},
    415: {
        "unsupported_format": "not a format that is read",
        "not_mr": "no picture, because it is DICOM of another modality than MR",
    },
    422: {
        "unreadable": "of a format that is read, but damaged",
        "refused": "no picture, because the image is not taken for a brain MRI slice",
        "no_volume": "no mask as NIfTI or DICOM SEG, because the file lacks what that format needs",
    },
    500: {"internal_error": "a fault of this program"},
    503: {
        "busy": "too many requests or bytes are waiting; try again after the seconds in `Retry-After`",
        "stopped": "the server was stopped, or its client went away, before the answer was ready",
    },
}
TITLES = {
    400: "No image to analyze",
    404: "Page not found",
    413: "That is too much at once",
    415: "This kind of file is not read",
    422: "This file cannot be read",
    500: "Something went wrong on our side",
    503: "Busy at the moment",
    "stopped": "This did not work",
}
ANSWER_OF = ((EmptyFile, 400, ""), (OverLimit, 413, "too_large"), (UnsupportedFormat, 415, ""), (ReadError, 422, ""))

log = logging.getLogger("earlymed")


class RequestError(Exception):
    """A request that gets no answer.

    Attributes:
        status: of HTTP.
        code: for programs; stays the same when the wording changes.
        message: for people. Never a path, a traceback or the text of an unforeseen exception.
        headers: further ones, such as Retry-After.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    @property
    def title(self) -> str:
        return TITLES.get(self.code) or TITLES.get(self.status, "This did not work")


def as_request_error(error: Exception, max_bytes: int) -> RequestError:
    """Any exception as a RequestError; one that nobody foresaw is logged and told as no more than that."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, ReadError):
        status, code = next((status, code) for kind, status, code in ANSWER_OF if isinstance(error, kind))
        return RequestError(status, code or error.code, str(error))
    if not isinstance(error, HTTPException):
        log.error("A request failed", exc_info=error)
        return RequestError(500, "internal_error", "A fault of this program kept the image from being analyzed.")
    if error.code == 413:
        return RequestError(413, "too_large", f"Expected at most {max_bytes / 2**20:.3g} MB in all. Received: more.")
    if error.code == 404:
        return RequestError(404, "not_found", "There is nothing at this address.")
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return RequestError(error.code, error.name.lower().replace(" ", "_"), error.description, headers)
