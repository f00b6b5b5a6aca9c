"""What the page and the API have in common, and the settings, around a classifier with fixed answers."""

import threading
from pathlib import Path

import pytest

import app as app_module
from app import create_app, main
from fakes import FakeClassifier, ok, picture
from uploads import API, PNG, TEXT, URLS, send
from web import settings

ROOT = Path(__file__).parents[1]


# --- around both


@pytest.mark.parametrize("url", URLS)
def test_unforeseen_failure_tells_nothing_of_the_inside(app, fake, caplog, url):
    fake.answer = lambda pixels: 1 / 0
    response = send(app.test_client(), url, ("patient-smith.png", PNG))
    assert response.status_code == 500
    assert "A fault of this program kept the image from being analyzed." in response.text
    for secret in ("ZeroDivision", "Traceback", "fakes.py", str(ROOT)):
        assert secret not in response.text
    assert "ZeroDivisionError" in caplog.text
    assert "patient-smith" not in caplog.text


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
    monkeypatch.setattr(
        app_module, "load_classifier", lambda config: loads.append(config["EARLYMED_MODEL"]) or FakeClassifier()
    )
    client = create_app({"EARLYMED_MODEL": "somewhere/model.h5"}).test_client()
    assert loads == ["somewhere/model.h5"]
    for _ in range(2):
        assert send(client, API, ("a.png", PNG)).status_code == 200
    assert loads == ["somewhere/model.h5"]


@pytest.mark.parametrize("url", URLS)
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
    assert "1 files at most and 1 MB in all" in client.get("/").text


def test_a_study_of_150_slices_of_512_pixels_of_16_bits_may_be_sent_in_one_request():
    """Not packed; its headers take a few hundred kB."""
    config = settings.defaults()
    assert config["MAX_CONTENT_LENGTH"] > 150 * 512 * 512 * 2 + 2**20
    assert config["MAX_PIXELS"] > 150 * 512 * 512
    assert min(config["MAX_SLICES"], config["MAX_ZIP_FILES"]) >= 150


# --- settings


def test_help_lists_the_settings_and_arguments_are_none(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and "  PORT (5000): Port to listen on; 0 takes any free one.\n" in said
    assert all(f"  {setting.name} (" in said for setting in settings.SETTINGS)
    with pytest.raises(SystemExit) as ended:
        main(["--port", "8080"])
    assert ended.value.code == 2 and "unrecognized arguments: --port 8080" in capsys.readouterr().err


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
        ("HOST", "", "HOST: expected something like 127.0.0.1. Received: ''."),
        (
            "MAX_CONTENT_LENGTH",
            "3000000000",
            "MAX_CONTENT_LENGTH: expected a whole number, 1 to 1073741824. Received: '3000000000'.",
        ),
        ("MAX_FILES", "0", "MAX_FILES: expected a whole number, 1 or more. Received: '0'."),
        (
            "EARLYMED_ENGINE",
            "onnx",
            "EARLYMED_ENGINE: expected one of auto, ncnn, openvino, openvino-bf16, openvino-int8, tensorflow. "
            "Received: 'onnx'.",
        ),
    ],
)
def test_bad_settings_are_told(name, value, message):
    with pytest.raises(settings.SettingError) as caught:
        settings.from_environ({name: value})
    assert str(caught.value) == message
