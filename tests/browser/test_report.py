"""The report: one page of A4 for each answer, with what was typed into the page and was never sent."""

import json
import re

import pytest
from journeys import DESKTOP, LETTER, ROOT, SAMPLES, analyze, one_of_each, press, printed, record, text_of, volume

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


def test_the_longest_report_is_one_page(open_page):
    """An uncertain answer in Spanish, with as much typed as fits."""
    page = open_page(viewport=DESKTOP, locale="es")
    page.locator("#file").set_input_files(SAMPLES / "meningioma_Te-me_0018.jpg")
    press(page, "Analizar")
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
