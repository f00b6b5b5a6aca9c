"""The answer line by line, as the page's script asks for it: real progress, errors as lines, a turn that is given back."""

import base64
import html
import io
import json
import logging
import re
import threading
import time

import nibabel
import numpy as np
import pytest
from PIL import Image

import format_samples
import spheres
from answers import nifti
from app import create_app
from fakes import ok, picture, refused
from model.classifier import BATCH
from model.explanation import OUTLINE, outline, view
from uploads import BAD_UPLOADS, PNG, TEXT, on_the_page, send
from web import following
from web.errors import RequestError
from web.following import Stopped, follow, stop_all
from web.pages import LINES
from web.pictures import LARGE, MEDIUM, layers, line_around

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


def test_150_slices_in_one_request_come_in_order_and_their_progress_is_shown(client, fake):
    """Slice i of the volume is called a tumor with the probability i / 200: the answers are told apart by it."""
    values = np.tile(np.arange(150, dtype=np.int16), (16, 12, 1))
    volume = nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0])).to_bytes()
    fake.answer = lambda pixels: ok("glioma", 0.25 + pixels.max() / 400)(pixels)
    told = lines(send(client, "/", ("head.nii", volume), headers=ACCEPT))
    steps = [(line["done"], line["of"]) for line in told if "done" in line]
    assert steps == [(0, 0), *[(done, 150) for done in range(0, 150, BATCH)], (150, 150)]
    layers = [line["layers"] for line in told if "layers" in line]
    assert [one["tumor"] for one in layers] == pytest.approx([1 - (0.75 - i / 400) / 3 for i in range(150)])
    assert [one["words"].split(":")[0] for one in layers] == [f"Slice {i + 1} of 150" for i in range(150)]
    assert told.index({"done": 150, "of": 150}) < min(i for i, line in enumerate(told) if "layers" in line)
    (item,) = [line["html"] for line in told if line.get("item") and "html" in line]
    assert "Slices analyzed</dt> <dd>150 " in item


def seg_of(line: dict) -> tuple[str, str] | None:
    """The address at which an item's DICOM SEG is asked for, and of which of the sent files."""
    found = re.search(r'data-seg="([^"]+)" data-uploads="([\d ]+)"', line["html"])
    return found and (html.unescape(found[1]), found[2])


def test_a_dicom_series_offers_its_outlines_as_seg(client, fake):
    fake.answer = spheres.outlining().answer
    both = format_samples.zipped({"a": spheres.multi_frame(), "b": spheres.nifti()})
    files = [("one.png", PNG), ("both.zip", both), ("two.png", PNG), ("series.zip", spheres.dicom_zip())]
    items = [line for line in lines(send(client, "/", *files, headers=ACCEPT)) if line.get("item") and "html" in line]
    place = "/api/v1/mask?format=seg&slice=0"
    assert [seg_of(item) for item in items] == [None, (place, "1"), None, None, (place, "3")]
    response = send(client, place, files[3])
    assert (response.status_code, response.content_type) == (200, "application/dicom")


def test_a_series_that_cannot_be_a_seg_offers_none(client):
    """It lacks a frame of reference."""
    series = spheres.dicom_zip(FrameOfReferenceUID="")
    (item,) = [
        line for line in lines(send(client, "/", ("a.zip", series), headers=ACCEPT)) if line.get("item") and "html" in line
    ]
    assert seg_of(item) is None
    assert "mask.nii.gz" in item["html"]


def test_no_page_holds_the_patients_name(client, fake):
    fake.answer = spheres.outlining().answer
    for headers in (ACCEPT, {}):
        page = send(client, "/", ("series.zip", spheres.dicom_zip()), headers=headers).text
        for data in re.findall(r"data:application/[^;]+;base64,([^\\\"]+)", page):
            assert b"Zebulon" not in base64.b64decode(data)
        assert "Zebulon" not in page
    assert "data-seg" not in page  # without a script nobody asks


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


@pytest.mark.parametrize(
    ("box", "at", "size"),
    [
        ((4, 3, 9, 8), [2, 1], (9, 9)),  # a line of one pixel around it, and a margin of another
        ((0, 0, 3, 3), [0, 0], (5, 5)),
        ((12, 8, 16, 12), [10, 6], (6, 6)),
        ((0, 0, 16, 12), None, None),  # around all of it there is no line
    ],
)
def test_the_outline_is_a_picture_of_the_line_alone(box, at, size):
    mask = np.zeros((12, 16), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    found = line_around(mask, (16, 12))
    assert found.get("outline_at") == at
    if at is None:
        assert found == line_around(np.zeros((12, 16), bool), (16, 12)) == {"outline": None}
        return
    with Image.open(io.BytesIO(base64.b64decode(found["outline"].split(",")[1]))) as picture:
        colors = np.array(picture.convert("RGBA"))
    assert picture.size == size
    whole = np.zeros((12, 16, 4), np.uint8)
    whole[at[1] : at[1] + size[1], at[0] : at[0] + size[0]] = colors
    expected = np.zeros((12, 16, 4), np.uint8)
    expected[outline(mask, (16, 12))] = (*OUTLINE, 255)
    shown = whole[..., 3] > 0
    assert (whole[shown] == expected[shown]).all() and (shown == (expected[..., 3] > 0)).all()


def test_a_slice_alone_is_shown_as_it_is_and_those_of_a_study_nearly_so():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8)
    shown = {}
    for side in (LARGE, MEDIUM):
        uri = layers(pixels, ok("glioma")(pixels), side)["image"]
        with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as picture:
            shown[side] = np.abs(np.asarray(picture, int) - np.asarray(view(pixels), int)).max()
    assert shown[LARGE] <= 1 < shown[MEDIUM]


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
    assert (error["status"], error["code"], error["message"]) == (status, code, on_the_page(message))
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


def test_a_client_that_is_known_to_be_gone_ends_the_work(fake, caplog):
    fake.answer = lambda pixels: time.sleep(0.01) or ok()(pixels)
    app = create_app({"MAX_CONCURRENT": 1, "MAX_WAITING": 0}, classifier=fake)
    environ = {"waitress.client_disconnected": lambda: True}
    response = send(app.test_client(), "/", ("head.nii", nifti(6 * BATCH)), headers=ACCEPT, environ_overrides=environ)
    assert (response.status_code, lines(response)) == (200, [])
    assert len(fake.calls) < 6
    assert "failed" not in caplog.text
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


def test_the_server_s_end_stops_all_work_and_says_so(monkeypatch):
    def work(progress):
        for step in range(10**9):
            progress(step, 10**9)

    others = [follow(work), follow(work)]
    for steps in others:
        next(steps)
    monkeypatch.setattr(following, "ended", threading.Event())
    stop_all()
    for steps in (*others, follow(work)):  # the last one had waited for its turn
        with pytest.raises(RequestError) as stopped:
            list(steps)
        assert (stopped.value.status, stopped.value.code, stopped.value.title) == (503, "stopped", "This did not work")
