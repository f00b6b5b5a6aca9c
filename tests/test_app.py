"""The page and the API, around a classifier with fixed answers."""

import base64
import io
import json
import logging
import re
import tempfile
import threading
from pathlib import Path

import pytest
from PIL import Image

import app as app_module
from app import create_app, percent
from fakes import TIMINGS, FakeClassifier, ok, picture, refused
from model.labels import CLASSES, DISPLAY, LABELS, MEANING
from web import analysis, settings

ROOT = Path(__file__).parents[1]
API = "/api/v1/predict"
PNG = picture()
CUT_PNG = picture(size=(64, 64))[:600]
TEXT = b"this is a letter"

# what is sent as `file`: (name, bytes) of each; the status; the API's code; the message
BAD_UPLOADS = [
    pytest.param([], 400, "no_file", "No file was chosen. Expected an image in the form field “file”.", id="none"),
    pytest.param(
        [("", b"")], 400, "no_file", "No file was chosen. Expected an image in the form field “file”.", id="not chosen"
    ),
    pytest.param([("a.png", b"")], 400, "empty_file", "The file is empty. Expected an image.", id="empty"),
    pytest.param(
        [("a.png", TEXT)],
        415,
        "unsupported_format",
        "Expected a PNG, JPEG, WebP, BMP or TIFF image. Received: 16 bytes of something else.",
        id="text named png",
    ),
    pytest.param(
        [("a.png", b"%PDF-1.7 ...")],
        415,
        "unsupported_format",
        "Expected a PNG, JPEG, WebP, BMP or TIFF image. Received: a PDF.",
        id="pdf",
    ),
    pytest.param(
        [("a.gif", picture("GIF"))],
        415,
        "unsupported_format",
        "Expected a PNG, JPEG, WebP, BMP or TIFF image. Received: GIF.",
        id="gif",
    ),
    pytest.param([("a.png", CUT_PNG)], 422, "unreadable", "The PNG image is damaged or cut short (OSError).", id="cut short"),
    pytest.param(
        [("a.png", CUT_PNG), ("b.txt", TEXT)],
        422,
        "unreadable",
        "The PNG image is damaged or cut short (OSError).",
        id="several, none readable: the first one's error",
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


def send(client, url, *files, **kwargs):
    """POST (name, bytes) pairs as a browser does."""
    return client.post(url, data={"file": [(io.BytesIO(data), name) for name, data in files]}, **kwargs)


def text_of(response) -> str:
    """What a reader of the page reads."""
    body = re.sub(r"<(script|svg).*?</\1>", " ", response.text, flags=re.DOTALL)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&#34;", '"'), ("&amp;", "&")):
        body = re.sub(r"<[^>]+>", "", body) if entity == "&lt;" else body
        body = body.replace(entity, character)
    return " ".join(body.split())


def cards(response) -> list[str]:
    return re.findall(r"<article.*?</article>", response.text, flags=re.DOTALL)


# --- the page


@pytest.mark.parametrize("url", ["/", "/nothing-here"])
def test_every_page_says_that_it_is_not_a_medical_device(client, url):
    text = text_of(client.get(url))
    assert "Not a medical device." in text
    assert "EarlyMed is a research and teaching aid." in text


def test_home_offers_the_form_and_explains(client):
    response = client.get("/")
    assert response.status_code == 200
    assert '<form class="upload panel" method="post" action="/" enctype="multipart/form-data">' in response.text
    assert 'type="file" id="file" name="file" multiple' in response.text
    for heading in ("What it is, and what it is not", "Understanding your results", "How it works"):
        assert heading in response.text
    assert "the slice is resized to 64" in text_of(response)
    assert "<article" not in response.text


@pytest.mark.parametrize("label", LABELS)
def test_page_names_the_class_and_what_it_means(client, fake, label):
    fake.answer = ok(label)
    response = send(client, "/", ("scan.png", PNG))
    assert response.status_code == 200
    (card,) = cards(response)
    assert f'data-label="{label}"' in card
    assert f">{DISPLAY[label]}</h2>" in card
    assert MEANING[label] in card
    assert "scan.png" in card


def test_page_shows_four_bars_most_likely_first(client, fake):
    fake.answer = ok("pituitary", 0.7)
    (card,) = cards(send(client, "/", ("scan.png", PNG)))
    names = re.findall(r'<span class="bar-name">(.*?)</span>', card)
    assert names[0] == "Pituitary tumor"
    assert sorted(names) == sorted(DISPLAY.values())
    assert re.findall(r'<span class="bar-value">(.*?)</span>', card) == ["70.0%", "10.0%", "10.0%", "10.0%"]
    assert re.findall(r'class="bar-fill" width="(.*?)"', card) == ["70.00%", "10.00%", "10.00%", "10.00%"]


def test_page_shows_the_slice_and_the_outline(client, fake):
    plain = cards(send(client, "/", ("scan.png", PNG)))[0]
    fake.answer = ok("glioma", tumor=True)
    outlined = cards(send(client, "/", ("scan.png", PNG)))[0]
    images = [re.search(r'src="data:image/png;base64,([^"]+)"', card)[1] for card in (plain, outlined)]
    assert images[0] != images[1]
    for image in images:
        assert Image.open(io.BytesIO(base64.b64decode(image))).size == (16, 12)
    assert 'alt="The uploaded slice in grey."' in plain
    assert "with an outline around the region that the model takes for a tumor" in outlined
    assert "20 pixels, 10.4% of the" in outlined
    assert "pixels," not in plain


def test_page_says_uncertain_in_words(client, fake):
    fake.answer = ok("meningioma", 0.4, uncertain=True)
    text = text_of(send(client, "/", ("scan.png", PNG)))
    assert "The model is uncertain about this slice. Meningioma is only the closest of its four classes." in text


def test_refused_image_gets_the_reason_and_never_a_class(client, fake):
    fake.answer = refused("This looks like a photograph.")
    response = send(client, "/", ("cat.jpg", picture("JPEG", channels=3)))
    assert response.status_code == 200
    (card,) = cards(response)
    assert "This image was not analyzed" in card
    assert "This looks like a photograph." in card
    for class_ in CLASSES:
        assert class_.display.lower() not in card.lower()
        assert class_.key not in card


def test_each_file_gets_its_card_in_the_order_sent(client, fake):
    fake.answer = [ok("notumor"), refused()]
    response = send(client, "/", ("one.png", PNG), ("letter.txt", TEXT), ("two.jpg", picture("JPEG")))
    assert response.status_code == 200
    assert [re.search('data-status="(.*?)"', card)[1] for card in cards(response)] == ["ok", "error", "refused"]
    assert "Your 3 results" in response.text
    assert "letter.txt" in cards(response)[1]


@pytest.mark.parametrize(("files", "status", "code", "message"), BAD_UPLOADS)
def test_page_answers_a_bad_upload_with_the_form_and_a_clear_message(client, fake, files, status, code, message):
    response = send(client, "/", *files)
    assert response.status_code == status
    alert = re.search(r'role="alert">(.*?)</div>', response.text, flags=re.DOTALL)[1]
    assert message in alert
    assert '<form class="upload panel"' in response.text
    assert fake.calls == []


def test_file_names_are_escaped(client):
    response = send(client, "/", ("<script>alert(1)</script>.png", PNG))
    assert "<script>alert" not in response.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.png" in response.text


def test_page_needs_nothing_from_elsewhere_and_nothing_inline(client):
    for response in (client.get("/"), send(client, "/", ("scan.png", PNG)), client.get("/nothing-here")):
        assert not re.search(r'(src|href|action)="(https?:)?//', response.text)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", response.text)
    for asset in ("style.css", "upload.js", "logo.svg"):
        text = client.get(f"/static/{asset}").text
        assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0, "< 0.1%"),
        (0.0009, "< 0.1%"),
        (0.001, "0.1%"),
        (0.913, "91.3%"),
        (0.999, "99.9%"),
        (0.9996, "> 99.9%"),
        (1, "> 99.9%"),
    ],
)
def test_percent(fraction, text):
    assert percent(fraction) == text


# --- the API


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_api_gives_the_record_of_the_one_file(client, fake, format):
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


def test_api_keeps_the_order_of_keys(client):
    text = send(client, API, ("a.png", PNG)).text
    keys = ["file", "slice", "status", "label", "probabilities", "uncertain", "in_distribution", "tumor", "timings_ms"]
    assert list(json.loads(text))[:9] == keys


def test_api_refuses_with_200_a_reason_and_no_label(client, fake):
    fake.answer = refused("This looks like a photograph.")
    response = send(client, API, ("cat.png", PNG))
    assert response.status_code == 200
    record = response.get_json()
    assert record["status"] == "refused"
    assert record["reason"] == "This looks like a photograph."
    assert not {"label", "probabilities", "uncertain", "tumor"} & record.keys()


def test_api_gives_records_for_several_files(client, fake):
    fake.answer = [ok("notumor"), ok("pituitary")]
    response = send(client, API, ("one.png", PNG), ("letter.txt", TEXT), ("two.png", PNG))
    assert response.status_code == 200
    records = response.get_json()["records"]
    assert [(r["file"], r["status"], r.get("label")) for r in records] == [
        ("one.png", "ok", "notumor"),
        ("letter.txt", "error", None),
        ("two.png", "ok", "pituitary"),
    ]
    assert records[1]["reason"].startswith("Expected a PNG, JPEG, WebP, BMP or TIFF image.")


def test_files_share_the_pixels_that_one_may_have(client, fake, monkeypatch):
    monkeypatch.setattr(analysis, "MAX_PIXELS", 500)  # each has 16 x 12 = 192
    records = send(client, API, *[(f"{i}.png", PNG) for i in range(3)]).get_json()["records"]
    assert [r["status"] for r in records] == ["ok", "ok", "error"]
    assert records[2]["reason"] == "Expected at most 116 pixels. Received: 16 x 12."
    assert len(fake.calls[0]) == 2


@pytest.mark.parametrize(("files", "status", "code", "message"), BAD_UPLOADS)
def test_api_answers_a_bad_upload_with_code_and_message(client, fake, files, status, code, message):
    response = send(client, API, *files)
    assert (response.status_code, response.get_json()) == (status, {"error": {"code": code, "message": message}})
    assert fake.calls == []


def test_api_asks_for_multipart(client):
    response = client.post(API, data=PNG, content_type="image/png")
    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "no_file")


@pytest.mark.parametrize(
    ("method", "url", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", API, 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_api_errors_are_json(client, method, url, status, code):
    response = client.open(url, method=method)
    assert (response.status_code, response.get_json()["error"]["code"]) == (status, code)
    assert status != 405 or response.headers["Allow"]


@pytest.mark.parametrize("url", ["/", API])
def test_unforeseen_failure_tells_nothing_of_the_inside(app, fake, caplog, url):
    fake.answer = lambda pixels: 1 / 0
    response = send(app.test_client(), url, ("patient-smith.png", PNG))
    assert response.status_code == 500
    assert "A fault of this program kept the image from being analyzed." in response.text
    for secret in ("ZeroDivision", "Traceback", "fakes.py", str(ROOT)):
        assert secret not in response.text
    assert "ZeroDivisionError" in caplog.text
    assert "patient-smith" not in caplog.text


def test_model_endpoint_gives_its_facts(client, fake):
    response = client.get("/api/v1/model")
    assert response.get_json() == fake.info


def test_healthz(client):
    response = client.get("/healthz")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok", "model": "fake-1"})


def test_openapi_lists_exactly_the_routes_that_exist(app, client):
    document = client.get("/api/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    listed = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    routes = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") or rule.rule == "/healthz"
    }
    assert listed == routes


def test_openapi_describes_the_record(client, fake):
    schemas = client.get("/api/openapi.json").get_json()["components"]["schemas"]
    answered = send(client, API, ("a.png", PNG)).get_json()
    fake.answer = refused()
    not_answered = send(client, API, ("a.png", PNG)).get_json()
    assert answered.keys() | not_answered.keys() == schemas["Record"]["properties"].keys()
    assert schemas["Label"]["enum"] == list(LABELS)


# --- around both


def test_headers(client):
    responses = [
        client.get("/"),
        client.get("/nothing-here"),
        client.get("/static/style.css"),
        client.get("/healthz"),
        send(client, "/", ("a.png", PNG)),
        send(client, API, ("a.png", PNG)),
        send(client, API, ("a.png", TEXT)),
    ]
    for response in responses:
        policy = response.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'self'", "img-src 'self' data:", "frame-ancestors 'none'"} <= set(policy)
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        if "/static/" not in response.request.path:
            assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", ["/", API])
def test_classifier_is_asked_once_for_all_files(client, fake, url):
    send(client, url, ("a.png", PNG), ("b.png", picture(size=(9, 8))), ("c.png", picture(channels=4)))
    ((first, second, third),) = fake.calls
    assert (first.shape, second.shape, third.shape) == ((12, 16), (8, 9), (12, 16, 4))


def test_model_is_loaded_once_before_the_first_request(monkeypatch):
    loads = []
    monkeypatch.setattr(app_module, "load_classifier", lambda path: loads.append(path) or FakeClassifier())
    client = create_app({"EARLYMED_MODEL": "somewhere/model.h5"}).test_client()
    assert loads == ["somewhere/model.h5"]
    for _ in range(2):
        assert send(client, API, ("a.png", PNG)).status_code == 200
    assert loads == ["somewhere/model.h5"]


@pytest.mark.parametrize("url", ["/", API])
def test_nothing_is_written_to_disk(client, monkeypatch, url):
    def refuse(*args, **kwargs):
        raise AssertionError("a temporary file was made")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
        monkeypatch.setattr(f"werkzeug.formparser.{name}", refuse, raising=False)
    large = picture("BMP", size=(1200, 1000), channels=3)
    assert len(large) > 3_000_000
    assert send(client, url, ("large.bmp", large)).status_code == 200


@pytest.mark.parametrize("url", ["/", API])
def test_log_holds_stages_but_no_file_name(client, caplog, url):
    with caplog.at_level(logging.DEBUG):
        send(client, url, ("patient-smith.png", PNG), ("patient-jones.png", TEXT))
        send(client, url, ("patient-smith.png", TEXT))
    assert re.search(r"answered 2 file\(s\): read \d+ ms, preprocess 2 ms, infer 80 ms, decide 1 ms", caplog.text)
    assert "patient" not in caplog.text


@pytest.mark.parametrize("url", ["/", API])
def test_busy_server_says_when_to_come_back(fake, url):
    at_work, go_on = threading.Event(), threading.Event()

    def slow(pixels):
        at_work.set()
        assert go_on.wait(10)
        return ok()(pixels)

    fake.answer = slow
    app = create_app({"MAX_CONCURRENT": 1, "MAX_WAITING": 0, "RETRY_AFTER": 7}, classifier=fake)
    first = []
    thread = threading.Thread(target=lambda: first.append(send(app.test_client(), url, ("a.png", PNG)).status_code))
    thread.start()
    try:
        assert at_work.wait(10)
        second = send(app.test_client(), url, ("b.png", PNG))
        assert app.test_client().get("/healthz").status_code == 200
    finally:
        go_on.set()
        thread.join(10)
    assert second.status_code == 503
    assert second.headers["Retry-After"] == "7"
    assert "Too many images are being analyzed. Please try again in 7 seconds." in second.text
    assert first == [200]
    assert send(app.test_client(), url, ("c.png", PNG)).status_code == 200  # the place is free again


def test_failed_requests_give_their_place_back(fake):
    client = create_app({"MAX_CONCURRENT": 1, "MAX_WAITING": 0}, classifier=fake).test_client()
    for files, status in (([("a.txt", TEXT)], 415), ([], 400), ([("a.png", PNG)], 200)):
        assert send(client, API, *files).status_code == status


def test_limits_come_from_the_config(fake):
    client = create_app({"MAX_CONTENT_LENGTH": 2**20, "MAX_FILES": 1}, classifier=fake).test_client()
    assert "Expected at most 1 MB in all." in send(client, API, ("a.png", bytes(2**20))).get_json()["error"]["message"]
    assert send(client, API, ("a.png", PNG), ("b.png", PNG)).status_code == 413
    assert "1 at most and 1 MB in all" in text_of(client.get("/"))


# --- settings


@pytest.mark.parametrize("setting", settings.SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented(setting):
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith(f"| `{setting.name}` |")]
    assert setting.help in row
    assert f"`{setting.default}`" in row or setting.default == ""


def test_settings_come_from_the_environment():
    environ = {"PORT": "8080", "EARLYMED_MODEL": "/models/a.h5", "PATH": "/bin"}
    assert settings.from_environ(environ) == {"PORT": 8080, "EARLYMED_MODEL": "/models/a.h5"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", "PORT: expected a whole number, 0 to 65535. Received: 'http'."),
        ("PORT", "65536", "PORT: expected a whole number, 0 to 65535. Received: '65536'."),
        ("PORT", "-1", "PORT: expected a whole number, 0 to 65535. Received: '-1'."),
        ("MAX_FILES", "0", "MAX_FILES: expected a whole number, 1 or more. Received: '0'."),
    ],
)
def test_bad_settings_are_told(name, value, message):
    with pytest.raises(settings.SettingError) as caught:
        settings.from_environ({name: value})
    assert str(caught.value) == message
