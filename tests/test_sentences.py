"""What model/ and the readers say, in the reader's language."""

import re

import pytest

import format_samples
from fakes import picture
from model.classifier import LOOKS_LIKE_CT, NOT_BRAIN_MRI, SEVERAL_SLICES, UNLIKE
from model.formats import dicom_terms
from model.gate import look
from model.reading import LIMITS, ReadError, read
from uploads import MASK, PNG, send
from web.messages import pattern, said, told
from web.sentences import TEMPLATES

# --- what model/ says


def test_messages_of_the_model_are_said_in_spanish(app):
    with app.test_request_context(headers={"Accept-Language": "es"}):
        message = "Expected at most 1,000 pixels. Received: many more."
        assert said(message) == "Se esperaban como mucho 1.000 píxeles. Se recibió: muchos más."
        assert said("Strange <words>.") == '<span lang="en">Strange &lt;words&gt;.</span>'
    with app.test_request_context():
        assert said("Expected <this>.") == "Expected &lt;this&gt;."


REFUSED_PIXELS = {
    "small": picture(size=(20, 20)),
    "strip": picture(size=(400, 60)),
    "color": picture(size=(64, 64), channels=3),
}


@pytest.mark.parametrize("name", REFUSED_PIXELS)
def test_every_reason_of_the_gate_has_a_template(app, name):
    reason = look(read(REFUSED_PIXELS[name])[0])
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert reason and "lang" not in said(reason)


@pytest.mark.parametrize("reason", (NOT_BRAIN_MRI, SEVERAL_SLICES, LOOKS_LIKE_CT, UNLIKE))
def test_every_reason_of_the_network_has_a_template(app, reason):
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert "lang" not in said(reason) and said(reason) != reason


READ_ERRORS = {
    "empty": b"",
    "text": b"Dear doctor",
    "pdf": b"%PDF-1.7",
    "cut PNG": b"\x89PNG\r\n\x1a\n",
    "cut NIfTI": format_samples.nifti()[:-1],
    "cut DICOM": format_samples.dicom(Rows=400),
    "cut ZIP": format_samples.zipped({"a.png": PNG})[:-30],
    "cut gzip": format_samples.gzipped(format_samples.nifti())[:-9],
}


@pytest.mark.parametrize("data", READ_ERRORS.values(), ids=READ_ERRORS)
def test_common_read_errors_have_a_template(app, data):
    with pytest.raises(ReadError) as caught:
        read(data, LIMITS)
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert "lang" not in said(caught.value)


@pytest.mark.parametrize("code", dicom_terms.MODALITIES)
def test_modalities_are_named_in_spanish(app, code):
    with pytest.raises(ReadError) as caught:
        read(format_samples.dicom(Modality=code))
    with app.test_request_context(headers={"Accept-Language": "es"}):
        told_in_spanish = told(str(caught.value))
        assert told_in_spanish.startswith(f"Se esperaba una imagen de resonancia (MR). Se recibió: {code}, ")
        assert "lang" not in said(caught.value) and dicom_terms.MODALITIES[code] not in told_in_spanish


def test_parts_of_the_body_are_named_in_spanish(app):
    (note,) = read(format_samples.dicom(BodyPartExamined="KNEE")).notes
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert told(note) == "El archivo DICOM dice que muestra una rodilla, no la cabeza."
        assert told("Received: GIF, which nobody knows.") == "Received: GIF, which nobody knows."


SEG_OF_A_PICTURE = "Expected a slice of a volume or series. Received: a single picture."


def test_a_script_of_the_page_hears_what_went_wrong_in_its_language(client, fake):
    """The page asks the API for a DICOM SEG, and shows what it says."""

    def message(**headers) -> str:
        return send(client, f"{MASK}?format=seg", ("a.png", PNG), headers=headers).get_json()["error"]["message"]

    spanish = {"Accept-Language": "es"}
    in_spanish = "Se esperaba un corte de un volumen o de una serie. Se recibió: una sola imagen."
    assert message(Origin="http://localhost", **spanish) == in_spanish
    client.set_cookie("language", "es")
    assert message(Origin="http://localhost") == in_spanish
    client.delete_cookie("language")
    for headers in (spanish, {"Origin": "http://localhost"}, *({"Origin": o} | spanish for o in ("http://[", "null", ""))):
        assert message(**headers) == SEG_OF_A_PICTURE


def test_what_does_not_fit_into_the_memory_has_a_template(app):
    with app.test_request_context(headers={"Accept-Language": "es"}):
        message = "More is being sent at once than is held in memory. Please try again in 5 seconds."
        assert said(message) == told(message)
        assert "Se está enviando a la vez más de lo que cabe en la memoria." in told(message)
        assert told("Strange <words>. Received: none.") == "Strange <words>. Se recibió: ninguno."


FILLED = {"share": "12%", "other": "3 x 4", "size": "48 x 48", "document": "PDF", "syntax": "RLE Lossless"}


def test_every_template_fits_itself():
    for template in TEMPLATES:
        filled = re.sub(r"%\((\w+)\)s", lambda m: FILLED.get(m[1], "7"), template)
        assert pattern(template).fullmatch(filled), template
