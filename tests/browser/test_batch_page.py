"""Many files: a table that sorts, opens each answer, and can be taken away as CSV and JSON."""

import csv
import json
from pathlib import Path

import pytest
from journeys import DESKTOP, LETTER, PHONE, SIZES, analyze, fits, one_of_each, press, printed, record, send, text_of

pytestmark = pytest.mark.browser


@pytest.fixture
def files(tmp_path) -> list[Path]:
    text = tmp_path / "notes.txt"
    text.write_text("Dear doctor")
    return [*one_of_each(), LETTER, text]


def column(page, number: int) -> list[str]:
    return page.locator(f"table.batch tbody tr > :nth-child({number})").all_inner_texts()


@pytest.mark.parametrize("viewport", SIZES, ids=["phone", "desktop"])
def test_every_file_has_its_row(open_page, files, viewport):
    page = open_page(viewport=viewport)
    assert analyze(page, *files).count() == 0  # none is open yet
    assert page.get_by_role("heading", level=1).inner_text() == "Your 6 results"
    assert [name.strip() for name in column(page, 2)] == [path.name for path in files]
    states = page.locator("table.batch tbody tr").evaluate_all("rows => rows.map(row => row.dataset.status)")
    assert states == ["ok"] * 4 + ["refused", "error"]
    assert column(page, 8)[4].strip() == (
        "This does not look like the brain MRI slices that the classifier knows, so it gives no answer."
    )
    assert "Received: 11 bytes of something else." in column(page, 8)[5]
    assert page.locator("table.batch img").count() == 5
    assert fits(page)


@pytest.mark.parametrize(("language", "java_script_enabled"), [("en", True), ("es", True), ("en", False)])
def test_table_never_scrolls_sideways(open_page, files, language, java_script_enabled):
    page = open_page(locale=language, java_script_enabled=java_script_enabled)
    send(page, *files)
    rows = page.locator("table.batch tbody tr")
    for width in (320, 390, 768, 1000, 1152, 1160):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.locator(".table-box").evaluate("box => box.scrollWidth <= box.clientWidth"), width
        assert fits(page), width
        cells = rows.evaluate_all("rows => rows.flatMap(row => [...row.cells]).map(c => [c.scrollWidth, c.clientWidth])")
        assert all(needed <= room for needed, room in cells), width
        assert max(box["x"] + box["width"] for box in (row.bounding_box() for row in rows.all())) <= width
        assert rows.first.evaluate("row => getComputedStyle(row).display") == ("table-row" if width > 1152 else "grid")


def test_rows_are_cards_on_a_phone_and_still_a_table_to_listeners(open_page, files, server):
    page = open_page(viewport={"width": 320, "height": 740})
    analyze(page, *files)
    table = page.get_by_role("table", name="One row for each image, volume or series")
    rows = table.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    assert rows.count() == 6
    assert table.get_by_role("columnheader").all_inner_texts()[:3] == ["File", "Answer", "Glioma"]
    drawn = "cell => getComputedStyle(cell, '::before').content.split(' / ')[0]"
    figures = rows.first.locator(".number")
    assert figures.evaluate_all(f"cells => cells.map({drawn})") == [
        '"Glioma"', '"Meningioma"', '"No tumor"', '"Pituitary tumor"'
    ]  # fmt: skip
    lefts = {round(cell.bounding_box()["x"]) for cell in figures.all()}
    assert len(lefts) == 1  # one below the other
    assert rows.nth(4).locator(".number:visible").count() == 0  # a refused file has no figures
    p = [record(server, path)["probabilities"]["pituitary"] for path in files[:4]]
    table.get_by_role("button", name="Pituitary tumor").click()
    assert page.locator("th[aria-sort=descending]").inner_text() == "Pituitary tumor"
    first = files[max(range(4), key=p.__getitem__)].name
    assert table.get_by_role("rowheader").first.inner_text() == first
    tops = [row.bounding_box()["y"] for row in rows.all()]
    assert tops == sorted(tops) and len(set(tops)) == 6


def test_without_a_script_no_heads_offer_to_sort(open_page, files):
    page = open_page(viewport={"width": 320, "height": 740}, java_script_enabled=False)
    analyze(page, *files)
    assert page.locator("table.batch thead").bounding_box()["width"] == 1
    assert page.locator("table.batch tbody tr").first.bounding_box()["width"] > 250


def test_table_shows_all_its_columns_on_a_laptop_and_on_paper(open_page, files):
    page = open_page(viewport={"width": 1180, "height": 800})
    analyze(page, *files)
    assert page.locator(".table-box").evaluate("box => box.scrollWidth <= box.clientWidth")
    (sheet,) = printed(page)
    text = text_of(sheet)
    for expected in ("Pituitary tumor", "Received: 11 bytes of something else.", "Model version", "Not a medical device."):
        assert expected in text
    assert "leads to its pictures" not in text and "\u2195" not in text


def test_columns_sort(open_page, files, server):
    page = open_page(viewport=DESKTOP)
    analyze(page, *files)
    heads = page.locator("table.batch thead")
    p = [record(server, path)["probabilities"]["meningioma"] for path in files[:4]]
    heads.get_by_role("button", name="Meningioma").click()
    head = page.locator("th", has_text="Meningioma").first
    assert head.get_attribute("aria-sort") == "descending"
    most_first = [files[i].name for i in sorted(range(4), key=lambda i: -p[i])]
    assert [name.strip() for name in column(page, 2)[:4]] == most_first
    heads.get_by_role("button", name="Meningioma").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [name.strip() for name in column(page, 2)[2:]] == most_first[::-1]
    heads.get_by_role("button", name="File").click()
    names = [name.strip() for name in column(page, 2)]
    assert names == sorted(names)
    assert page.locator("[aria-sort]").count() == 1


def test_a_row_opens_its_answer(open_page, files):
    page = open_page(viewport=DESKTOP)
    cards = analyze(page, *files)
    for path in (files[1], files[5], files[4]):
        page.locator("table").get_by_role("button", name=path.name).click()
        assert cards.count() == 1
        assert path.name in cards.inner_text()
        assert page.evaluate("document.activeElement === document.querySelector('article h2')")
        assert path.name in page.locator("tr[aria-current]").inner_text()
    assert "What would be accepted" in cards.inner_text()


def test_rows_still_open_their_answers_after_an_attempt_that_failed(open_page, files, server):
    page = open_page(viewport=DESKTOP)
    cards = analyze(page, *files)
    page.go_back()
    page.route(f"{server}/", lambda route: route.abort() if route.request.method == "POST" else route.fallback())
    press(page, "A letter, to be refused")
    page.get_by_role("alert").wait_for()
    page.go_forward()
    page.locator("table").get_by_role("button", name=files[1].name).click()
    assert cards.count() == 1
    assert files[1].name in cards.inner_text()
    assert page.locator(".stage canvas").is_visible()


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_an_answer_leads_back_to_its_row(open_page, java_script_enabled):
    page = open_page(viewport=PHONE, java_script_enabled=java_script_enabled)
    cards = analyze(page, *one_of_each())
    row = page.locator("table.batch tbody tr").nth(2)
    row.get_by_role("button" if java_script_enabled else "link").click()
    card = cards.first if java_script_enabled else cards.nth(2)
    assert row.bounding_box()["y"] + row.bounding_box()["height"] < 0  # out of sight
    card.get_by_role("link", name="Back to all results").first.click()
    assert 0 <= row.bounding_box()["y"] < PHONE["height"]
    if java_script_enabled:  # keys go on from there
        assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 3


def test_one_answer_has_no_others_to_go_back_to(open_page):
    page = open_page()
    assert analyze(page, one_of_each()[0]).count() == 1
    assert page.get_by_role("link", name="Back to all results").count() == 0


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_answers_can_be_taken_away(open_page, files, server, java_script_enabled):
    page = open_page(java_script_enabled=java_script_enabled, accept_downloads=True)
    analyze(page, *files)
    found = {}
    for kind in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Download as {kind}").click()
        assert download.value.suggested_filename == f"earlymed.{kind.lower()}"
        found[kind] = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(found["CSV"].splitlines()))
    records = json.loads(found["JSON"])["records"]
    assert [row["file"] for row in rows] == [one["file"] for one in records] == [path.name for path in files]
    expected = record(server, files[0])
    assert (rows[0]["label"], records[0]["label"]) == (expected["label"], expected["label"])
    assert float(rows[0]["glioma"]) == pytest.approx(expected["probabilities"]["glioma"], abs=0.001)
    assert records[4]["status"] == "refused" and "label" not in records[4]
