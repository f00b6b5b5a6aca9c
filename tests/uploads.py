"""Files as a browser sends them, and those that cannot be answered."""

import io

import pytest

from fakes import picture

API = "/api/v1/predict"
OVERLAY = "/api/v1/overlay"
MASK = "/api/v1/mask"
URLS = ["/", API, OVERLAY, MASK]  # all that take files
PNG = picture()
CUT_PNG = picture(size=(64, 64))[:600]
TEXT = b"this is a letter"
CSV = {"Accept": "text/csv"}

NO_FILE = "No file was chosen. Expected an image in the form field “file”."
NOTHING_CHOSEN = "No file was chosen. Please choose a file first, or try one of the samples."  # the same, to a person

# what is sent as `file`: (name, bytes) of each; the status; the API's code; the message
BAD_UPLOADS = [
    pytest.param([], 400, "no_file", NO_FILE, id="none"),
    pytest.param([("", b"")], 400, "no_file", NO_FILE, id="not chosen"),
    pytest.param([("a.png", b"")], 400, "empty_file", "The file is empty. Expected an image.", id="empty"),
    pytest.param(
        [("a.png", TEXT)],
        415,
        "unsupported_format",
        "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: 16 bytes of something else.",
        id="text named png",
    ),
    pytest.param(
        [("a.png", b"%PDF-1.7 ...")],
        415,
        "unsupported_format",
        "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: a PDF. Please save the picture in it as PNG.",
        id="pdf",
    ),
    pytest.param(
        [("a.gif", picture("GIF"))],
        415,
        "unsupported_format",
        "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: GIF, which has too few grays and may be "
        "animated. Please save the picture as PNG.",
        id="gif",
    ),
    pytest.param(
        [("a.png", CUT_PNG)],
        422,
        "unreadable",
        "Expected a whole PNG image. Received: one that is damaged or cut short.",
        id="cut short",
    ),
    pytest.param(
        [("a.png", PNG)] * 33, 413, "too_many_files", "Expected at most 32 files at once. Received: 33.", id="too many"
    ),
    pytest.param(
        [("a.png", bytes(32 * 2**20))],
        413,
        "too_large",
        "Expected at most 32 MB in all. Received: more.",
        id="too large",
    ),
]
NONE_READABLE = pytest.param(  # the page tells of each
    [("a.png", CUT_PNG), ("b.txt", TEXT)],
    422,
    "unreadable",
    "Expected a whole PNG image. Received: one that is damaged or cut short.",
    id="several, none readable: the first one's error",
)


def on_the_page(message: str) -> str:
    """How the page says what the API says."""
    return NOTHING_CHOSEN if message == NO_FILE else message


def error_of(response) -> tuple[int, str, str]:
    error = response.get_json()["error"]
    return response.status_code, error["code"], error["message"]


def send(client, url, *files, **kwargs):
    """POST (name, bytes) pairs as a browser does."""
    return client.post(url, data={"file": [(io.BytesIO(data), name) for name, data in files]}, **kwargs)
