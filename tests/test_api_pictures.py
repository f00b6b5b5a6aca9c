"""The API's overlay and mask."""

import io

import numpy as np
import pytest
from PIL import Image

from fakes import ok, pages, refused
from model.explanation import render
from model.labels import LABELS
from model.overlay import OPACITY, overlay
from model.reading import read
from uploads import BAD_UPLOADS, MASK, OVERLAY, PNG, error_of, send

# --- pictures


def drawn(response) -> np.ndarray:
    assert (response.status_code, response.content_type) == (200, "image/png"), response.text
    return np.asarray(Image.open(io.BytesIO(response.data)))


def test_overlay_is_that_of_the_answer(client, fake):
    fake.answer = ok("meningioma", tumor=True)
    response = send(client, OVERLAY, ("a.png", PNG))
    (slice_,) = read(PNG)
    assert response.data == overlay(slice_, fake.answer(slice_), "meningioma", True, True, OPACITY)
    assert drawn(response).shape == (12, 16, 3)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("label=glioma", {"label": "glioma"}),
        ("label=pituitary&outline=false", {"label": "pituitary", "outline": False}),
        ("evidence=False", {"evidence": False}),
        ("opacity=0.25", {"opacity": 0.25}),
        ("opacity=1&label=notumor&outline=true&evidence=true&slice=0", {"opacity": 1, "label": "notumor"}),
    ],
)
def test_parameters_of_the_overlay(client, fake, query, options):
    fake.answer = ok("glioma", tumor=True)
    (slice_,) = read(PNG)
    expected = overlay(slice_, fake.answer(slice_), **options)
    assert send(client, f"{OVERLAY}?{query}", ("a.png", PNG)).data == expected
    assert (expected == overlay(slice_, fake.answer(slice_))) == (query == "label=glioma")


def test_parameters_may_also_stand_in_the_form(client, fake):
    fake.answer = ok("glioma", tumor=True)
    data = {"file": (io.BytesIO(PNG), "a.png"), "evidence": "false", "outline": "false"}
    assert client.post(OVERLAY, data=data).data == render(read(PNG)[0])


def test_slice_chooses_and_only_that_one_is_analyzed(client, fake):
    response = send(client, f"{OVERLAY}?slice=2&evidence=false", ("a.tif", pages(3)))
    assert response.data == render(read(pages(3))[2])
    ((asked,),) = fake.calls
    np.testing.assert_array_equal(asked, read(pages(3))[2])


def test_mask_has_one_bit_and_the_inputs_size(client, fake):
    fake.answer = ok("glioma", tumor=True)
    response = send(client, MASK, ("a.png", PNG))
    assert Image.open(io.BytesIO(response.data)).mode == "1"
    expected = np.zeros((12, 16), bool)
    expected[2:6, 3:8] = True
    np.testing.assert_array_equal(drawn(response), expected)


def test_mask_of_no_tumor_is_black(client):
    mask = drawn(send(client, MASK, ("a.png", PNG)))
    assert mask.shape == (12, 16) and not mask.any()


@pytest.mark.parametrize("url", [OVERLAY, MASK, f"{OVERLAY}?evidence=false&outline=false"])
def test_a_refused_image_has_no_picture(client, fake, url):
    fake.answer = refused("This looks like a photograph.")
    assert error_of(send(client, url, ("a.png", PNG))) == (422, "refused", "This looks like a photograph.")


@pytest.mark.parametrize("url", [OVERLAY, MASK])
@pytest.mark.parametrize(("files", "status", "code", "message"), [p for p in BAD_UPLOADS if p.id != "several, none readable"])
def test_pictures_answer_a_bad_upload_alike(client, fake, url, files, status, code, message):
    if len(files) == 2:
        status, code, message = 400, "one_file", "Expected one file. Received: 2."
    assert error_of(send(client, url, *files)) == (status, code, message)
    assert fake.calls == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"{OVERLAY}?label=edema", f"label: expected one of {', '.join(LABELS)}. Received: 'edema'."),
        (f"{OVERLAY}?label=", f"label: expected one of {', '.join(LABELS)}. Received: ''."),
        (f"{OVERLAY}?outline=yes", "outline: expected true or false. Received: 'yes'."),
        (f"{OVERLAY}?evidence=1", "evidence: expected true or false. Received: '1'."),
        (f"{OVERLAY}?opacity=2", "opacity: expected a number, 0 to 1. Received: '2'."),
        (f"{OVERLAY}?opacity=nan", "opacity: expected a number, 0 to 1. Received: 'nan'."),
        (f"{OVERLAY}?opacity=thick", "opacity: expected a number, 0 to 1. Received: 'thick'."),
        (f"{OVERLAY}?slice=-1", "slice: expected a whole number, 0 or more. Received: '-1'."),
        (f"{MASK}?slice=1.5", "slice: expected a whole number, 0 or more. Received: '1.5'."),
        (f"{MASK}?slice=%D9%A1", "slice: expected a whole number, 0 or more. Received: '\u0661'."),
        (f"{MASK}?slice=1", "slice: expected a whole number, 0 to 0. Received: 1."),
    ],
)
def test_bad_parameters(client, fake, url, message):
    assert error_of(send(client, url, ("a.png", PNG))) == (400, "bad_parameter", message)
    assert fake.calls == []
