"""The answer line by line, as the page's script asks for it: real progress, errors as lines, a turn that is given back."""

import base64
import json
import logging
import time

import numpy as np
import pytest

from app import create_app
from fakes import ok, picture, refused
from model.classifier import BATCH
from test_pages import nifti
from uploads import BAD_UPLOADS, PNG, TEXT, send
from web.following import Stopped, follow
from web.pages import LINES

ACCEPT = {"Accept": LINES}


def lines(response) -> list[dict]:
    assert response.headers["Content-Type"] == LINES
    return [json.loads(line) for line in response.text.splitlines()]


def test_one_slice_line_by_line(client, fake):
    fake.answer = ok("glioma", tumor=True)
    response = send(client, "/", ("scan.png", PNG), headers=ACCEPT)
    waiting, begun, done, layers, item, page = lines(response)
    assert (waiting, begun, done) == ({"done": 0, "of": 0}, {"done": 0, "of": 1}, {"done": 1, "of": 1})
    assert layers["item"] == item["item"] == 1
    assert 'data-label="glioma"' in item["html"] and "data-viewer" in item["html"]
    assert page["title"] == "Your result" and "<h1" in page["html"]


def test_progress_is_told_after_each_batch(client):
    response = send(client, "/", ("head.nii", nifti(2 * BATCH + 1)), headers=ACCEPT)
    steps = [line["done"] for line in lines(response) if line.get("of")]
    assert steps == [0, BATCH, 2 * BATCH, 2 * BATCH + 1]


def test_layers_are_the_slice_its_outline_and_the_evidence(client, fake):
    fake.answer = ok("glioma", tumor=True)
    layers = lines(send(client, "/", ("scan.png", PNG), headers=ACCEPT))[3]["layers"]
    assert (layers["width"], layers["height"], layers["label"]) == (16, 12, "glioma")
    assert layers["image"].startswith("data:image/") and layers["outline"].startswith("data:image/png;base64,")
    evidence = np.frombuffer(base64.b64decode(layers["evidence"]), np.uint8).reshape(4, 4, 4)
    assert (evidence[0, :, :2] == 255).all()  # the strongest evidence for glioma
    assert (evidence[0, :, 2:] < 128).all()  # against it
    assert (evidence[1:] == 128).all()
    assert layers["square"] == [0, -2 / 16, 1]  # 16 x 12, padded to a square
    assert layers["box"] == [0, 0, 1, 12 / 16]


def test_refused_slice_has_a_picture_and_no_class(client, fake):
    fake.answer = refused()
    layers = lines(send(client, "/", ("cat.png", PNG), headers=ACCEPT))[3]["layers"]
    assert (layers["label"], layers["evidence"], layers["outline"]) == (None, None, None)
    assert layers["words"] == "not analyzed"


def test_several_items_are_told_apart(client, fake):
    found = lines(send(client, "/", ("a.png", PNG), ("b.txt", TEXT), ("c.png", picture(seed=1)), headers=ACCEPT))
    assert [line["item"] for line in found if "layers" in line] == [1, 3]
    assert [line["item"] for line in found if "item" in line and "html" in line] == [1, 2, 3]
    assert found[-1]["html"].count("data-open") == 3


@pytest.mark.parametrize(("files", "status", "code", "message"), BAD_UPLOADS)
def test_an_error_is_a_line(client, fake, files, status, code, message):
    response = send(client, "/", *files, headers=ACCEPT)
    error = lines(response)[-1]["error"]
    assert (error["status"], error["code"], error["message"]) == (status, code, message)
    assert response.status_code in (200, status)  # 200 once the work has begun
    assert response.status_code == status or lines(response)[0] == {"done": 0, "of": 0}


def test_a_fault_in_the_middle_is_a_line_and_tells_nothing_of_the_inside(fake):
    fake.answer = lambda pixels: 1 / 0
    client = create_app(classifier=fake).test_client()
    error = lines(send(client, "/", ("a.png", PNG), headers=ACCEPT))[-1]["error"]
    assert (error["status"], error["code"]) == (500, "internal_error")
    assert "ZeroDivision" not in json.dumps(error)


def test_who_goes_away_gives_the_turn_back_and_stops_the_work(fake, caplog):
    caplog.set_level(logging.INFO, "earlymed")
    fake.answer = lambda pixels: time.sleep(0.01) or ok()(pixels)
    app = create_app({"MAX_CONCURRENT": 1, "MAX_WAITING": 0}, classifier=fake)
    response = send(app.test_client(), "/", ("head.nii", nifti(6 * BATCH)), headers=ACCEPT, buffered=False)
    pieces = response.iter_encoded()
    for _ in range(2):
        next(pieces)
    response.close()
    assert len(fake.calls) < 6
    assert "answered" not in caplog.text
    assert send(app.test_client(), "/", ("a.png", PNG)).status_code == 200


def test_a_client_that_is_known_to_be_gone_ends_the_work(fake):
    fake.answer = lambda pixels: time.sleep(0.01) or ok()(pixels)
    app = create_app({"MAX_CONCURRENT": 1, "MAX_WAITING": 0}, classifier=fake)
    environ = {"waitress.client_disconnected": lambda: True}
    response = send(app.test_client(), "/", ("head.nii", nifti(6 * BATCH)), headers=ACCEPT, environ_overrides=environ)
    assert [line for line in lines(response) if "html" in line] == []
    assert len(fake.calls) < 6
    assert send(app.test_client(), "/", ("a.png", PNG)).status_code == 200


def test_busy_is_told_with_its_status(fake):
    app = create_app({"MAX_CONCURRENT": 1, "MAX_WAITING": 0, "RETRY_AFTER": 7}, classifier=fake)
    with app.extensions["turns"].take():
        response = send(app.test_client(), "/", ("a.png", PNG), headers=ACCEPT)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    assert lines(response)[0]["error"]["code"] == "busy"


def test_following_tells_each_step_and_returns_the_result():
    def work(progress):
        progress(1, 2)
        progress(2, 2)
        return "done"

    steps = follow(work)
    assert (next(steps), next(steps)) == ((1, 2), (2, 2))
    with pytest.raises(StopIteration) as ended:
        next(steps)
    assert ended.value.value == "done"


def test_following_raises_what_the_work_raised():
    def work(progress):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(follow(work))


def test_closing_stops_the_work():
    heard = []

    def work(progress):
        try:
            for step in range(10**9):
                progress(step, 10**9)
        except Stopped:
            heard.append("stopped")
            raise

    steps = follow(work)
    next(steps)
    steps.close()
    assert heard == ["stopped"]
