"""The API's answers as CSV, and how a client chooses."""

import csv
import io

import numpy as np
import pytest

from fakes import ok, refused
from format_samples import VOLUME, dicom
from model.records import COLUMNS
from uploads import API, CSV, MASK, OVERLAY, PNG, TEXT, error_of, send

# --- CSV


def test_csv_has_a_row_for_every_record(client, fake):
    fake.answer = [ok("glioma", tumor=True), refused("This looks like a photograph.")]
    response = send(client, API, ("one.png", PNG), ("letter.txt", TEXT), ("two.png", PNG), headers=CSV)
    assert response.status_code == 200
    assert response.content_type == "text/csv; charset=utf-8; header=present"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["file"], r["status"], r["label"]) for r in rows] == [
        ("one.png", "ok", "glioma"),
        ("letter.txt", "error", ""),
        ("two.png", "refused", ""),
    ]
    assert [rows[0][c] for c in ("glioma", "area_px", "x0", "y0", "x1", "y1")] == ["0.91", "20", "3", "2", "8", "6"]
    assert rows[1]["reason"].startswith("Expected PNG")
    assert rows[2]["reason"] == "This looks like a photograph."


def test_csv_has_the_notes_on_a_file_with_its_first_slice(client):
    files = ("knee.dcm", dicom(np.stack([VOLUME[3]] * 2), BodyPartExamined="KNEE")), ("head.dcm", dicom())
    rows = list(csv.DictReader(io.StringIO(send(client, API, *files, headers=CSV).text)))
    assert [row["notes"] for row in rows] == ["The DICOM file says that it shows a knee, not the head.", "", ""]


def test_csv_of_one_record_has_its_header_too(client):
    assert [line.split(",")[0] for line in send(client, API, ("a.png", PNG), headers=CSV).text.splitlines()] == [
        "file",
        "a.png",
    ]


def test_errors_are_json_even_when_csv_is_asked_for(client):
    response = send(client, API, ("a.txt", TEXT), headers=CSV)
    assert error_of(response)[:2] == (415, "unsupported_format")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html, application/json;q=0.9, */*;q=0.8", "application/json"),
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
    ],
)
def test_accept_chooses(client, accept, kind):
    headers = {} if accept is None else {"Accept": accept}
    response = send(client, API, ("a.png", PNG), headers=headers)
    assert (response.status_code, response.mimetype) == (200, kind)


@pytest.mark.parametrize(
    ("url", "accept", "offered"),
    [
        (API, "image/png", "application/json or text/csv"),
        (API, "text/csv;q=0", "application/json or text/csv"),
        (OVERLAY, "application/json", "image/png"),
        (MASK, "text/csv", "image/png"),
    ],
)
def test_what_is_not_offered_is_refused_before_the_model_is_asked(client, fake, url, accept, offered):
    response = send(client, url, ("a.png", PNG), headers={"Accept": accept})
    assert error_of(response) == (406, "not_acceptable", f"Expected Accept: {offered}. Received: {accept}.")
    assert fake.calls == []
