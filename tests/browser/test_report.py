"""The report: one page of A4 for each answer, with what was typed into the page and was never sent."""

import json
import re

import nibabel
import numpy as np
import pytest
from journeys import DESKTOP, LETTER, ROOT, SAMPLES, analyze, one_of_each, press, printed, record, send, text_of, volume
from PIL import Image

from model.labels import DISPLAY

pytestmark = pytest.mark.browser
INFO = json.loads((ROOT / "model" / "model.json").read_text())
A4 = (595, 842)  # points


def fill(page) -> None:
    page.locator(".report-fields summary").first.click()
    page.get_by_label("Name", exact=True).fill("Ada Example")
    page.get_by_label("Remark").fill("Seen together with the radiologist. " * 10)


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_report_is_one_page_with_all_that_belongs_on_it(open_page, server, java_script_enabled):
    path = one_of_each()[1]
    expected = record(server, path)
    page = open_page(java_script_enabled=java_script_enabled, viewport=DESKTOP)
    analyze(page, path)
    fill(page)
    (sheet,) = printed(page)
    assert tuple(round(float(side)) for side in sheet.mediabox[2:]) == A4
    text = text_of(sheet)
    assert DISPLAY[expected["label"]] in text
    for name in DISPLAY.values():
        assert name in text
    assert f"{100 * max(expected['probabilities'].values()):.1f}%" in text or "> 99.9%" in text
    assert f"Model version {INFO['version']}" in text
    assert INFO["sha256"] in text.replace(" ", "")
    assert "Not a medical device." in text
    assert re.search(r"\b20\d\d, \d\d:\d\d", text)
    assert "Ada Example" in text and "Seen together" in text
    assert len(sheet.images) >= 2
    for absent in (path.name, "Analyze another", "Mouse, touch and keys", "Number or date of birth"):
        assert absent not in text


@pytest.fixture
def noted(tmp_path):
    """An uncertain volume with two notes: it is the first of two, and does not say how it is oriented."""
    with Image.open(SAMPLES / "meningioma_Te-me_0018.jpg") as image:
        values = np.asarray(image.convert("L"), np.int16).T[::-1, ::-1, None, None]
    path = tmp_path / "two.nii"
    nibabel.save(nibabel.Nifti1Image(values.repeat(6, 2).repeat(2, 3), None), path)
    return path


@pytest.mark.parametrize("notes", [0, 2])
def test_the_longest_report_is_one_page(open_page, noted, notes):
    """An uncertain answer in Spanish, with as much typed as fits."""
    page = open_page(viewport=DESKTOP, locale="es")
    send(page, noted if notes else SAMPLES / "meningioma_Te-me_0018.jpg")
    assert page.locator(".results .notice").count() == notes and page.locator("header .tag").inner_text() == "incierto"
    page.locator(".report-fields summary").click()
    page.locator("[id^=report-name]").fill("Ada Example")
    page.locator("[id^=report-remark]").fill("Visto con el radiólogo. " * 16)
    (sheet,) = printed(page)
    assert "Ada Example" in text_of(sheet) and "No es un producto sanitario." in text_of(sheet)


def test_report_of_a_study_is_one_page(open_page, tmp_path):
    page = open_page(viewport=DESKTOP)
    analyze(page, volume(tmp_path))
    fill(page)
    (sheet,) = printed(page)
    assert "Probability of a tumor" in text_of(sheet) and "Slices analyzed" in text_of(sheet)


@pytest.fixture
def unoriented(tmp_path):
    path = volume(tmp_path)
    nibabel.save(nibabel.Nifti1Image(np.asarray(nibabel.load(path).dataobj).copy(), None), path)
    return path


@pytest.mark.parametrize("locale", ["en", "es"])
def test_report_has_the_notes_on_its_file(open_page, unoriented, locale):
    page = open_page(viewport=DESKTOP, locale=locale)
    send(page, unoriented)
    note = page.locator(".results .notice").inner_text()
    assert ("does not say how it is oriented" in note) == (locale == "en")
    (sheet,) = printed(page)
    assert text_of(sheet).count(note) == 1


def test_without_a_script_each_report_has_the_notes_on_its_own_file(open_page, unoriented):
    page = open_page(java_script_enabled=False)
    analyze(page, one_of_each()[0], unoriented, LETTER)
    assert ["does not say how it is oriented" in text_of(sheet) for sheet in printed(page)] == [False, True, False]


def test_report_of_a_refused_image_names_no_class(open_page):
    page = open_page(viewport=DESKTOP)
    analyze(page, LETTER)
    (sheet,) = printed(page)
    text = text_of(sheet)
    assert "This image was not analyzed" in text
    assert not any(name in text for name in DISPLAY.values())


def test_without_a_script_each_answer_has_its_page(open_page):
    page = open_page(java_script_enabled=False)
    analyze(page, *one_of_each()[:2])
    assert len(printed(page)) == 2


def test_what_is_typed_is_never_sent(open_page):
    page = open_page(viewport=DESKTOP)
    press(page, "Glioma")
    fill(page)
    sent = []
    page.on("request", lambda request: sent.append((request.url, request.post_data_buffer or b"")))
    page.get_by_role("link", name="Analyze another").click()
    press(page, "Meningioma")
    assert sent
    assert not any("Ada" in url or b"Ada" in body for url, body in sent)
    page.reload()
    assert "Ada" not in page.content()
    assert page.evaluate("Object.values(localStorage).join() + document.cookie").count("Ada") == 0
