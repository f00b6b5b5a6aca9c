"""The API, around a classifier with fixed answers."""

import csv
import io
import json
import re
import zipfile
from base64 import b64decode

import pytest

from app import create_app
from fakes import TIMINGS, ok, pages, picture, refused
from format_samples import dicom
from uploads import API, BAD_UPLOADS, CSV, MASK, NONE_READABLE, OVERLAY, PNG, TEXT, error_of, send


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_gives_the_record_of_the_one_file(client, fake, format):
    fake.answer = ok("glioma", tumor=True)
    response = send(client, API, ("folder/scan.dat", picture(format)))
    assert response.status_code == 200
    record = response.get_json()
    timings = record.pop("timings_ms")
    assert record == {
        "file": "folder/scan.dat",
        "slice": 0,
        "status": "ok",
        "label": "glioma",
        "probabilities": {"glioma": 0.91, "meningioma": 0.03, "notumor": 0.03, "pituitary": 0.03},
        "uncertain": False,
        "in_distribution": 0.97,
        "tumor": {"area_px": 20, "area_fraction": round(20 / 192, 6), "box": [3, 2, 8, 6]},
        "model": "fake-1",
    }
    assert list(timings) == ["read", *TIMINGS]
    assert timings["read"] >= 0


def test_keeps_the_order_of_keys(client):
    text = send(client, API, ("a.png", PNG)).text
    keys = ["file", "slice", "status", "label", "probabilities", "uncertain", "in_distribution", "tumor", "timings_ms"]
    assert list(json.loads(text))[:9] == keys


def test_refuses_with_200_a_reason_and_no_label(client, fake):
    fake.answer = refused("This looks like a photograph.")
    response = send(client, API, ("cat.png", PNG))
    assert response.status_code == 200
    record = response.get_json()
    assert record["status"] == "refused"
    assert record["reason"] == "This looks like a photograph."
    assert not {"label", "probabilities", "uncertain", "tumor"} & record.keys()


NOT_MR = "Expected an MR image. Received: CT, computed tomography."


def ct() -> bytes:
    return dicom(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")


def test_refuses_another_modality_with_its_name(client, fake):
    response = send(client, API, ("a.dcm", ct()))
    record = response.get_json()
    assert (response.status_code, record.pop("timings_ms").keys() - {"read"}) == (200, set())
    assert record == {
        "file": "a.dcm", "slice": 0, "status": "refused", "reason": NOT_MR, "in_distribution": 0.0, "model": "fake-1"
    }  # fmt: skip
    records = send(client, API, ("a.dcm", ct()), ("letter.txt", TEXT)).get_json()["records"]
    assert [(r["file"], r["status"]) for r in records] == [("a.dcm", "refused"), ("letter.txt", "error")]
    assert list(records[0]["timings_ms"]) == ["read"]
    assert fake.calls == []


def test_another_modality_has_a_row_in_csv(client):
    (row,) = csv.DictReader(io.StringIO(send(client, API, ("a.dcm", ct()), headers=CSV).text))
    assert {key: value for key, value in row.items() if value} == {
        "file": "a.dcm", "slice": "0", "status": "refused", "reason": NOT_MR, "in_distribution": "0.0", "model": "fake-1"
    }  # fmt: skip


def test_a_page_says_that_another_modality_is_not_read(client):
    response = send(client, "/", ("a.dcm", ct()))
    assert response.status_code == 415
    assert "This kind of file is not read" in response.text and NOT_MR in response.text
    downloads = send(client, "/", ("a.dcm", ct()), ("a.png", PNG)).text
    assert "a.dcm,0,refused," in b64decode(re.search(r'href="data:text/csv;[^,]*,([^"]*)"', downloads)[1]).decode()


@pytest.mark.parametrize("url", [OVERLAY, MASK])
def test_another_modality_has_no_picture(client, url):
    assert error_of(send(client, url, ("a.dcm", ct()))) == (415, "not_mr", NOT_MR)


def test_gives_records_for_several_files(client, fake):
    fake.answer = [ok("notumor"), ok("pituitary")]
    response = send(client, API, ("one.png", PNG), ("letter.txt", TEXT), ("two.png", PNG))
    assert response.status_code == 200
    records = response.get_json()["records"]
    assert [(r["file"], r["status"], r.get("label")) for r in records] == [
        ("one.png", "ok", "notumor"),
        ("letter.txt", "error", None),
        ("two.png", "ok", "pituitary"),
    ]
    assert records[1]["reason"].startswith("Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP.")


def test_files_share_the_pixels_and_slices_that_one_may_have(fake):
    three = [(f"{i}.png", PNG) for i in range(3)]  # each has 16 x 12 = 192 pixels
    client = create_app({"MAX_PIXELS": 500}, classifier=fake).test_client()
    records = send(client, API, *three).get_json()["records"]
    assert [r["status"] for r in records] == ["ok", "ok", "error"]
    assert records[2]["reason"] == "Expected at most 500 pixels. Received: 576 so far."
    assert len(fake.calls[0]) == 2
    client = create_app({"MAX_SLICES": 2}, classifier=fake).test_client()
    records = send(client, API, *three).get_json()["records"]
    assert [r.get("reason") for r in records] == [None, None, "Expected at most 2 slices. Received: 3."]


@pytest.mark.parametrize(("files", "status", "code", "message"), [*BAD_UPLOADS, NONE_READABLE])
def test_answers_a_bad_upload_with_code_and_message(client, fake, files, status, code, message):
    response = send(client, API, *files)
    assert (response.status_code, response.get_json()) == (status, {"error": {"code": code, "message": message}})
    assert fake.calls == []


def test_asks_for_multipart(client):
    response = client.post(API, data=PNG, content_type="image/png")
    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "no_file")


FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
    + PNG.replace(b"%", b"%%")
    + b"\r\n--edge--"
)
UNREADABLE_FORM = "The form cannot be read. Expected multipart/form-data, with the names of files in UTF-8."


@pytest.mark.parametrize(
    ("body", "url"),
    [(FORM % "cráneo.png".encode("latin-1"), API), (FORM % "cráneo.png".encode("latin-1"), MASK), (FORM[:90], API)],
    ids=["name", "name at mask", "cut short"],
)
def test_a_form_that_cannot_be_read_is_not_taken_for_an_empty_one(client, body, url):
    """As curl sends it from a console that is not set to UTF-8."""
    kind = "multipart/form-data; boundary=edge"
    assert error_of(client.post(url, data=body, content_type=kind)) == (400, "bad_form", UNREADABLE_FORM)
    named = client.post(API, data=FORM % "cráneo.png".encode(), content_type=kind)
    assert (named.status_code, named.get_json()["file"]) == (200, "cráneo.png")


@pytest.mark.parametrize("size", [1_000, 1_000_000])
def test_a_field_without_a_file_is_none_however_long_it_is(client, size):
    """As `curl -F 'file=<slice.dcm'` sends it."""
    body = b'--edge\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"x" * size + b"\r\n--edge--"
    response = client.post(API, data=body, content_type="multipart/form-data; boundary=edge")
    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "no_file")


@pytest.mark.parametrize(
    ("method", "url", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", API, 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_errors_are_json(client, method, url, status, code):
    response = client.open(url, method=method)
    assert (response.status_code, response.get_json()["error"]["code"]) == (status, code)
    assert status != 405 or response.headers["Allow"]


def test_model_endpoint_gives_its_facts(client, fake):
    response = client.get("/api/v1/model")
    assert response.get_json() == fake.info


def test_healthz(client):
    response = client.get("/healthz")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok", "model": "fake-1"})


# --- limits


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("setting", "data", "message"),
    [
        ({"MAX_PIXELS": 191}, PNG, "Expected at most 191 pixels. Received: 16 x 12."),
        ({"MAX_SLICES": 2}, pages(3), "Expected at most 2 slices. Received: 3."),
        ({"MAX_ZIP_FILES": 1}, zipped(a=PNG, b=PNG), "Expected at most 1 files in a ZIP. Received: 2."),
        ({"MAX_UNPACKED_BYTES": 10}, PNG, f"Expected at most 10 bytes. Received: {len(PNG)}."),
        (
            {"MAX_UNPACKED_RATIO": 3},
            zipped(a=bytes(17 * 2**20)),
            "Expected a file that unpacks to at most 3 times its size. Received: more.",
        ),
    ],
)
@pytest.mark.parametrize("url", [API, OVERLAY])
def test_what_readers_may_take_is_a_setting(fake, url, setting, data, message):
    client = create_app(setting, classifier=fake).test_client()
    assert error_of(send(client, url, ("a.png", data))) == (413, "too_large", message)
    assert fake.calls == []
