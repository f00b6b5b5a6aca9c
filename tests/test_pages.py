"""The start page and the answer as a page, around a classifier with fixed answers."""

import base64
import io
import json
import re

import pytest
from PIL import Image

from answers import cards, nifti, text_of
from app import create_app
from fakes import ok, picture, refused
from format_samples import dicom, zipped
from model.classifier import LOOKS_LIKE_CT
from model.labels import CLASSES, DISPLAY, LABELS, MEANING
from uploads import BAD_UPLOADS, NOTHING_CHOSEN, PNG, TEXT, on_the_page, send
from web.pages import DETAILED, SAMPLE_FOLDER, SAMPLES

NOTHING_CHOSEN_SPANISH = "No se eligió ningún archivo. Elija primero un archivo o pruebe con uno de los ejemplos."


def pictures_of(card: str) -> list[Image.Image]:
    return [
        Image.open(io.BytesIO(base64.b64decode(data)))
        for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', card)
    ]  # fmt: skip


def downloads(response) -> dict[str, str]:
    links = re.findall(r'download="earlymed\.(\w+)" href="data:[^,]+;base64,([^"]+)"', response.text)
    return {kind: base64.b64decode(data).decode() for kind, data in links}


@pytest.mark.parametrize("url", ["/", "/nothing-here"])
def test_every_page_says_that_it_is_not_a_medical_device(client, url):
    text = text_of(client.get(url).text)
    assert "Not a medical device." in text
    assert "EarlyMed is a research and teaching aid." in text


def test_home_offers_the_form_and_samples(client):
    response = client.get("/")
    assert response.status_code == 200
    assert '<form class="upload panel" method="post" action="/" enctype="multipart/form-data">' in response.text
    assert 'type="file" id="file" name="file" multiple' in response.text
    assert re.findall(r'name="sample" value="(\w+)"', response.text) == [*LABELS, "letter"]
    assert "What it is, and what it is not" in response.text
    assert "<article" not in response.text


def test_menu_says_where_an_answer_stands(client):
    assert '<a href="/" aria-current="page">Analyze</a>' in send(client, "/", ("scan.png", PNG)).text
    assert '<a href="/" aria-current="page">Analyze</a>' in send(client, "/", ("letter.txt", TEXT)).text


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_are_sent_by_a_plain_form(client, fake, sample):
    response = client.post("/", data={"sample": sample})
    assert response.status_code == 200
    assert SAMPLES[sample] in text_of(response.text)
    width, height = Image.open(SAMPLE_FOLDER / SAMPLES[sample]).size
    assert fake.calls[0][0].shape[:2] == (height, width)
    assert client.get(f"/static/samples/thumbs/{sample}.jpg").status_code == 200


@pytest.mark.parametrize("sample", ["../../app", "nothing", ""])
def test_what_is_no_sample_is_no_file(client, fake, sample):
    response = client.post("/", data={"sample": sample})
    assert response.status_code == 400
    assert "No file was chosen." in response.text
    assert fake.calls == []


@pytest.mark.parametrize(("language", "expected"), [("en", NOTHING_CHOSEN), ("es", NOTHING_CHOSEN_SPANISH)])
def test_page_asks_a_person_for_a_file_and_names_no_form_field(client, language, expected):
    response = send(client, "/", ("", b""), headers={"Accept-Language": language})
    assert response.status_code == 400
    alert = re.search(r'role="alert".*?</div>', response.text, flags=re.DOTALL)[0]
    assert re.search(r"<p>(.*)</p>", alert)[1] == expected
    assert "“file”" not in response.text
    lines = client.post("/", headers={"Accept": "application/x-ndjson", "Accept-Language": language})
    assert json.loads(lines.text)["error"]["message"] == expected


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
    for heading in ("What this answer means", "What it does not mean", "What to do next"):
        assert heading in card
    assert ("It does not rule out a tumor." in text_of(card)) == (label == "notumor")
    assert ("It does not mean that there is a tumor." in text_of(card)) == (label != "notumor")


def test_bars_are_meters_most_likely_first(client, fake):
    fake.answer = ok("pituitary", 0.7)
    (card,) = cards(send(client, "/", ("scan.png", PNG)))
    names = re.findall(r'<span class="bar-name">(.*?)</span>', card)
    assert names[0] == "Pituitary tumor"
    assert sorted(names) == sorted(DISPLAY.values())
    assert re.findall(r'<span class="bar-value"[^>]*>(.*?)</span>', card) == ["70.0%", "10.0%", "10.0%", "10.0%"]
    assert re.findall(r'class="bar-fill" width="(.*?)"', card) == ["70.00%", "10.00%", "10.00%", "10.00%"]
    assert re.findall(r'role="meter" aria-label="(.*?)"', card) == names
    assert re.findall(r'aria-valuetext="(.*?)"', card) == ["70.0%", "10.0%", "10.0%", "10.0%"]


def test_page_shows_the_slice_with_outline_and_evidence(client, fake):
    plain = cards(send(client, "/", ("scan.png", PNG)))[0]
    fake.answer = ok("glioma", tumor=True)
    outlined = cards(send(client, "/", ("scan.png", PNG)))[0]
    for card in (plain, outlined):
        assert [image.size for image in pictures_of(card)] == [(16, 12)] * 5  # the slice, and the evidence for each class
    assert pictures_of(plain)[0].convert("RGB").tobytes() != pictures_of(outlined)[0].convert("RGB").tobytes()
    assert 'answer: Glioma, 91.0%. Nothing is outlined."' in plain
    assert "An outlined region lies in the upper left of the head." in outlined
    assert "A region of 20 pixels, 10.4% of the picture." in text_of(outlined)
    assert "The picture does not tell which side of the patient that is." in text_of(outlined)
    assert "pixels," not in text_of(plain)


def test_page_says_what_an_outline_means_beside_no_tumor(client, fake):
    doubt = "For this slice “no tumor” is the likeliest answer, but an uncertain one"
    fake.answer = ok("notumor", 0.5, uncertain=True, tumor=True)
    assert doubt in text_of(cards(send(client, "/", ("scan.png", PNG)))[0])
    fake.answer = ok("glioma", 0.5, uncertain=True, tumor=True)
    assert doubt not in text_of(cards(send(client, "/", ("scan.png", PNG)))[0])


def test_page_says_uncertain_in_words(client, fake):
    fake.answer = ok("meningioma", 0.4, uncertain=True)
    text = text_of(send(client, "/", ("scan.png", PNG)).text)
    assert "The model is uncertain. “Meningioma” is only the closest of its four groups." in text
    assert "Take this as no answer." in text


def test_page_says_why_an_answer_of_high_probability_is_uncertain(client, fake):
    fake.answer = ok("meningioma", 0.97, uncertain=True, reason=LOOKS_LIKE_CT)
    one = text_of(cards(send(client, "/", ("scan.png", PNG)))[0])
    assert f"Do not rely on this answer. {LOOKS_LIKE_CT}" in one
    assert "The model is uncertain." not in one and "closest of its four groups" not in one and "97.0%" in one
    many = send(client, "/", ("a.png", PNG), ("b.png", PNG)).text
    assert text_of(many).count("This looks like computed tomography (CT). Do not rely on this answer.") == 2
    spanish = text_of(send(client, "/", ("scan.png", PNG), headers={"Accept-Language": "es"}).text)
    assert "Esto parece una tomografía computarizada (TC)." in spanish and "computed tomography" not in spanish


def test_refused_image_gets_the_reason_an_example_and_never_a_class(client, fake):
    fake.answer = refused("This looks like a photograph.")
    response = send(client, "/", ("cat.jpg", picture("JPEG", channels=3)))
    assert response.status_code == 200
    (card,) = cards(response)
    text = text_of(card)
    assert "This image was not analyzed" in text
    assert "This looks like a photograph." in text
    assert "What would be accepted" in text
    assert len(pictures_of(card)) == 1
    for class_ in CLASSES:
        assert class_.display.lower() not in text.lower()
        assert class_.meaning not in text
    assert "data-label" not in card and 'role="meter"' not in card


def test_each_file_gets_its_row_and_its_card_in_the_order_sent(client, fake):
    fake.answer = [ok("notumor"), refused()]
    response = send(client, "/", ("one.png", PNG), ("letter.txt", TEXT), ("two.jpg", picture("JPEG")))
    assert response.status_code == 200
    assert [re.search('data-status="(.*?)"', card)[1] for card in cards(response)] == ["ok", "error", "refused"]
    assert "Your 3 results" in response.text
    rows = re.findall(r"<tr data-status.*?</tr>", response.text, flags=re.DOTALL)
    assert [re.search(r'data-value="(.*?)"', row)[1] for row in rows] == ["one.png", "letter.txt", "two.jpg"]
    assert "No tumor" in rows[0] and "91.0%" in rows[0]
    assert "Expected PNG, JPEG" in rows[1] and "<img" not in rows[1]
    assert "This does not look like a brain MRI slice." in text_of(rows[2]) and "%" not in text_of(rows[2])


def test_each_refused_row_has_the_reason_of_its_own_file(client, fake):
    fake.answer = [
        refused("The image is in color (93% of its pixels); an MRI slice is gray."),
        refused("It is a letter. Expected a head."),
    ]
    response = send(client, "/", ("cat.png", PNG), ("letter.png", PNG))
    rows = re.findall(r"<tr data-status.*?</tr>", response.text, flags=re.DOTALL)
    remarks = [text_of(re.search(r'<td class="remark".*?</td>', row, flags=re.DOTALL)[0]) for row in rows]
    assert remarks == ["The image is in color (93% of its pixels); an MRI slice is gray.", "It is a letter."]  # short here
    assert "It is a letter. Expected a head." in text_of(cards(response)[1])  # in full there


def test_dicom_of_another_modality_is_not_analyzed_rather_than_unreadable(client, fake):
    fake.answer = ok()
    ct = dicom(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    response = send(client, "/", ("one.png", PNG), ("chest.dcm", ct), ("letter.txt", TEXT))
    rows = [text_of(row) for row in re.findall(r"<tr data-status.*?</tr>", response.text, flags=re.DOTALL)]
    assert rows[1] == "chest.dcm Not analyzed Expected an MR image. Received: CT, computed tomography."
    assert rows[2].startswith("letter.txt Not read Expected PNG")
    titles = [re.search(r"<h2.*?</h2>", card, flags=re.DOTALL)[0] for card in cards(response)]
    assert [text_of(title) for title in titles[1:]] == ["This image was not analyzed", "This file cannot be read"]


def test_a_refused_study_among_others_says_how_many_slices_were_too_few(client, fake):
    fake.answer = [refused()] * 5 + [ok(), ok()]
    response = send(client, "/", ("head.nii", nifti()), ("one.png", PNG))
    (row,) = re.findall(r'<tr data-status="refused".*?</tr>', response.text, flags=re.DOTALL)
    assert "Of its 6 slices, 1 could be analyzed. That is too few for an answer." in text_of(row)


def test_downloads_hold_what_the_api_answers(client, fake):
    fake.answer = [ok("glioma", tumor=True), refused()]
    files = ("one.png", PNG), ("two.png", PNG)
    found = downloads(send(client, "/", *files))
    fake.answer = [ok("glioma", tumor=True), refused()]
    api = send(client, "/api/v1/predict", *files).get_json()
    fake.answer = [ok("glioma", tumor=True), refused()]
    csv = send(client, "/api/v1/predict", *files, headers={"Accept": "text/csv"}).text
    assert found["csv"] == csv
    page = json.loads(found["json"])
    for records in (page["records"], api["records"]):
        for record in records:
            record["timings_ms"].pop("read")
    assert page == api


def test_each_of_several_files_that_cannot_be_read_gets_its_reason(client, fake):
    response = send(client, "/", ("letter.txt", TEXT), ("empty.png", b""))
    assert response.status_code == 200
    text = text_of(response.text)
    assert "letter.txt Not read Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: 16 bytes" in text
    assert "empty.png Not read The file is empty. Expected an image." in text
    assert fake.calls == []


def test_side_of_the_patient_is_told_when_the_file_tells_it(client, fake):
    fake.answer = ok("glioma", tumor=True)
    text = text_of(cards(send(client, "/", ("head.nii", nifti())))[0])
    assert "it lies in the upper left of the head. According to the orientation in the file, that is the patient" in text
    assert "s right side. It is a rough sketch" in text


def test_pictures_of_a_zip_have_their_own_names(client, fake):
    response = send(client, "/", ("all.zip", zipped({"a/one.png": PNG, "a/two.png": picture(seed=1)})))
    assert [re.search(r'class="file">(.*?)<', card)[1] for card in cards(response)] == ["one.png", "two.png"]


def test_each_answer_has_the_notes_on_its_own_file_for_its_report(client):
    both = zipped({"one.png": PNG, "two.png": picture(seed=1), "letter.txt": TEXT})
    response = send(client, "/", ("alone.png", PNG), ("both.zip", both))
    notes = [re.findall(r'<p class="notice print-only">(.*?)</p>', card) for card in cards(response)]
    above = re.findall(r'<p class="notice">(.*?)</p>', response.text)
    assert notes == [[], above, above]
    assert len(above) == 1 and above[0].startswith("1 file in the ZIP left out.")


def test_many_answers_without_a_script_are_a_table(client):
    files = {f"{i:03}.png": picture(seed=i) for i in range(DETAILED + 1)}
    response = send(client, "/", ("all.zip", zipped(files)))
    assert response.text.count("<tr data-status") == DETAILED + 1
    assert cards(response) == []
    assert "shown as a table only" in response.text
    assert "leads to its pictures" not in response.text


@pytest.mark.parametrize("count", [1, 2, DETAILED, DETAILED + 1])
def test_every_link_within_the_page_leads_somewhere(client, count):
    page = send(client, "/", *((f"{i}.png", PNG) for i in range(count))).text
    links = set(re.findall(r'href="#(.*?)"', page))
    assert links <= set(re.findall(r'\bid="(.*?)"', page))
    assert len([link for link in links if link.startswith("item-")]) == (count if 1 < count <= DETAILED else 0)


@pytest.mark.parametrize(("files", "status", "code", "message"), BAD_UPLOADS)
def test_page_answers_a_bad_upload_with_the_form_and_a_clear_message(client, fake, files, status, code, message):
    response = send(client, "/", *files)
    assert response.status_code == status
    alert = re.search(r'role="alert" data-problem>(.*?)</div>', response.text, flags=re.DOTALL)[1]
    assert on_the_page(message) in alert
    assert '<form class="upload panel"' in response.text
    assert fake.calls == []


def test_file_names_are_escaped(client):
    response = send(client, "/", ("<script>alert(1)</script>.png", PNG))
    assert "<script>alert" not in response.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.png" in response.text


def test_report_has_the_models_version_and_hash_and_sends_nothing_that_is_typed(client, fake):
    fake.answer = ok("glioma", tumor=True)
    response = send(client, "/", ("scan.png", PNG))
    (card,) = cards(response)
    assert f"Model version {fake.version}, SHA-256 {'0' * 64}." in text_of(card)
    fields = re.findall(r"<(?:input|textarea) id=[^>]*>", card)
    assert len(fields) == 3
    assert not any("name=" in field for field in fields)
    for form in re.findall(r"<form.*?</form>", response.text, flags=re.DOTALL):
        assert "report-" not in form


def test_page_needs_nothing_from_elsewhere_and_nothing_inline(client):
    for response in (client.get("/"), send(client, "/", ("scan.png", PNG)), client.get("/nothing-here")):
        assert not re.search(r'(src|href|action)="(https?:)?//', response.text)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", response.text)
    assets = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/").text))
    assert {"/static/style.css", "/static/page.js", "/static/logo.svg"} <= assets
    for asset in assets:
        if not asset.endswith((".jpg", ".png")):
            assert "http" not in client.get(asset).text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_words_of_the_page_are_in_its_language(fake):
    client = create_app({"TESTING": True}, classifier=fake).test_client()
    page = client.get("/?lang=es").text
    assert '<html lang="es">' in page
