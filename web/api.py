"""The API: the same answers as the page's, for programs. Each route's docstring is its text in the OpenAPI document."""

from typing import TypedDict

from flask import Blueprint, Response, current_app, jsonify, request

from model.exports import FORMATS as VOLUME_FORMATS
from model.labels import LABELS
from model.overlay import OPACITY, mask_png
from model.overlay import overlay as draw_overlay
from model.reading import FORMATS, NotMR
from model.records import Label, Record, StudyRecord, csv_lines
from web import openapi
from web.analysis import Analysis, Answer
from web.errors import RequestError
from web.masks import file_name, mask_volume
from web.openapi import answers
from web.parameters import Parameter, parse
from web.uploads import answer_upload, draw_slice, uploaded_file

JSON, CSV, PNG = "application/json", "text/csv", "image/png"
MASK_TYPES = {"png": PNG} | {name: format.media_type for name, format in VOLUME_FORMATS.items()}
BYTES = {"type": "string", "contentMediaType": "application/octet-stream"}
ONE = BYTES | {"description": f"{', '.join(FORMATS)}. The bytes decide the format; name and content type are not asked."}
SEVERAL = {"type": "array", "minItems": 1, "items": BYTES, "description": ONE["description"] + " The part may be repeated."}
ERRORS = (400, 406, 413, 415, 422, 500, 503)

SLICE = Parameter("slice", {"type": "integer", "minimum": 0, "default": 0}, "Which slice of the file, counted from 0.")
DRAWING = (
    SLICE,
    Parameter("label", {"type": "string", "enum": list(LABELS)}, "Whose evidence is shown; by default that of the answer."),
    Parameter("outline", {"type": "boolean", "default": True}, "Whether the tumor is outlined."),
    Parameter("evidence", {"type": "boolean", "default": True}, "Whether the evidence is shown."),
    Parameter(
        "opacity",
        {"type": "number", "minimum": 0, "maximum": 1, "default": OPACITY},
        "How much the strongest evidence covers the slice.",
    ),
)

MASK = (
    Parameter(
        "slice",
        SLICE.schema,
        "Which slice of the file, counted from 0; with `nifti` and `seg` any slice of the volume that is wanted, counted over "
        "all files as the records of `/api/v1/predict` are.",
    ),
    Parameter(
        "format",
        {"type": "string", "enum": list(MASK_TYPES), "default": "png"},
        "`png`: of this slice, from one file; `nifti`, `seg`: of its whole volume or series, as NIfTI or as DICOM SEG.",
    ),
)

api = Blueprint("api", __name__)


class Records(TypedDict):
    """Of several files or slices, in the order sent: a record of each slice, and one of each volume or series."""

    records: list[Record]
    studies: list[StudyRecord]


class ModelFacts(TypedDict):
    """model.json; it holds more than is named here."""

    version: str
    labels: list[Label]
    sha256: str
    input_size: int


class Health(TypedDict):
    status: str
    model: str


@api.post("/api/v1/predict")
@answers({JSON: Record | Records, CSV: str}, upload=SEVERAL, errors=ERRORS)
def predict() -> Response:
    """Analyze one or several files.

    One file with one slice gives its record itself. Several files or slices give `{"records": [...], "studies": [...]}` in
    the order sent: a record of each slice, and one of each volume or series of more than one slice. DICOM files of one slice
    each that name the same series are a series, too: the record of its study has no `file`, but `files`, and comes after
    those of single files. A file among several that cannot be read gets a record with the status `error`. When not one file
    can be read, the request fails with the first one's error. DICOM of another modality than MR is no such file: its record
    has the status `refused`. With `Accept: text/csv` the records of the slices come as CSV, always with a header.
    """
    wanted = accepted(JSON, CSV)
    analysis = answered()
    if all(answer.error and answer.error.status == "error" for answer in analysis):
        raise analysis[0].error
    records = [answer.record(version()) for answer in analysis]
    if wanted == CSV:
        return Response(csv_lines(records), content_type=f"{CSV}; charset=utf-8; header=present")
    if len(records) == 1:
        return jsonify(records[0])
    return jsonify(records=records, studies=[study.record(version()) for study in analysis.studies])


def answered() -> Analysis:
    """The request's files. Of another modality than MR is an answer also of the only file, which is an error to a page."""
    try:
        return answer_upload()
    except NotMR as error:
        return Analysis([Answer(uploaded_file().filename, error=error)], [])


@api.post("/api/v1/overlay")
@answers({PNG: None}, parameters=DRAWING, upload=ONE, errors=ERRORS)
def overlay() -> Response:
    """Draw what the model sees over a slice.

    The slice in gray, windowed for viewing, its longer side at most 1024 pixels; over it in blue the evidence for a class,
    lighter where it is stronger, and an amber line around the tumor. Strength is measured against the strongest evidence
    for any class in this slice, so that the pictures of its classes can be compared. An image that is refused has no
    evidence: the status is 422.
    """
    accepted(PNG)
    options = parse(DRAWING, request.values)
    index = options.pop("slice")
    png = draw_slice(index, lambda answer: draw_overlay(answer.pixels, answer.prediction, **options))
    return Response(png, content_type=PNG)


@api.post("/api/v1/mask")
@answers(dict.fromkeys(MASK_TYPES.values()), parameters=MASK, upload=SEVERAL, errors=ERRORS)
def mask() -> Response:
    """The region that the model takes for a tumor.

    By default as a 1-bit image of the slice's own size, white where the tumor is, black all over where none was found. For
    an image that is refused the status is 422. With `format=nifti` or `format=seg` the outlines of all slices of its volume
    come as one file, empty where a slice was refused; when all were, the status is 422. The slices of a series may come as
    DICOM files of their own, all in one request. NIfTI (gzip) has the shape and the affine of the input, and nothing of a
    person. **A DICOM SEG identifies the patient as the input does**: the standard
    files it in the patient's study; it needs DICOM with positions, identifiers and a frame of reference.
    """
    options = parse(MASK, request.values)
    index, format = options["slice"], options["format"]
    accepted(MASK_TYPES[format])
    if format == "png":
        return Response(draw_slice(index, lambda answer: mask_png(answer.prediction.mask)), content_type=PNG)
    headers = {"Content-Disposition": f'attachment; filename="{file_name(format)}"'}
    return Response(mask_volume(index, format), content_type=MASK_TYPES[format], headers=headers)


@api.get("/api/v1/model")
@answers({JSON: ModelFacts})
def model() -> Response:
    """The facts about the model: label order, input size, SHA-256, thresholds, training data, measured figures."""
    return jsonify(current_app.extensions["classifier"].info)


@api.get("/api/openapi.json")
@answers({JSON: dict})
def document() -> Response:
    """This document."""
    return jsonify(openapi.document(current_app))


@api.get("/healthz")
@answers({JSON: Health})
def healthz() -> Response:
    """200 once the model answers."""
    return jsonify(status="ok", model=version())


def version() -> str:
    return current_app.extensions["classifier"].version


def accepted(*offered: str) -> str:
    """Which of the offered media types the client wants; the first when it does not say.

    Raises:
        RequestError: none of them.
    """
    if not request.headers.get("Accept", "").strip():
        return offered[0]
    wanted = request.accept_mimetypes.best_match(offered)
    if wanted is None:
        received = request.headers["Accept"]
        raise RequestError(406, "not_acceptable", f"Expected Accept: {' or '.join(offered)}. Received: {received}.")
    return wanted
