"""Reading about it: every page is one press away, its pictures are there, and the language changes without a script."""

import pytest
from journeys import fits

pytestmark = pytest.mark.browser
PAGES = ["Understanding your results", "How it works", "Model card", "Privacy"]


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_every_page_is_one_press_away(open_page, java_script_enabled):
    page = open_page(java_script_enabled=java_script_enabled)
    for name in PAGES:
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        assert page.get_by_role("heading", level=1).inner_text() == name


def test_pipeline_is_shown(open_page, server):
    page = open_page()
    page.goto(f"{server}/how-it-works")
    images = page.locator(".walk img")
    assert images.count() == 5
    for image in images.all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        assert image.get_attribute("alt")


@pytest.mark.parametrize("width", [320, 360, 1280, 3840])
def test_pages_fit_the_screen(open_page, server, width):
    page = open_page(viewport={"width": width, "height": 800})
    for address in ("understanding", "how-it-works", "model-card", "privacy"):
        for language in ("en", "es"):
            page.goto(f"{server}/{address}?lang={language}")
            assert fits(page), (address, language)


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_language_changes_and_stays(open_page, server, java_script_enabled):
    page = open_page(java_script_enabled=java_script_enabled)
    page.get_by_role("link", name="Español").click()
    assert page.locator("html").get_attribute("lang") == "es"
    page.get_by_role("link", name="Privacidad").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Privacidad"
    page.goto(server)
    assert page.locator("html").get_attribute("lang") == "es"
    page.get_by_role("link", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_table_scrolls_sideways(open_page, server, language):
    """Where a table has no room its rows are told one below the other, each figure with its column's name."""
    page = open_page()
    for address, tables in (("model-card", 7), ("privacy", 1)):
        page.goto(f"{server}/{address}?lang={language}")
        boxes = page.locator(".table-box")
        assert boxes.count() == tables
        cells = page.locator(".table-box :is(tbody th, td)")
        for width in (320, 390, 768, 900, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert boxes.evaluate_all("boxes => boxes.map(box => box.scrollWidth - box.clientWidth)") == [0] * tables, width
            drawn = page.locator("table.rows").first.evaluate("table => getComputedStyle(table).display")
            assert drawn == ("block" if width < 896 else "table")
            assert cells.evaluate_all("cells => cells.filter(c => c.scrollWidth > c.clientWidth + 1).length") == 0, width
            assert cells.evaluate_all("cells => Math.max(...cells.map(c => c.getBoundingClientRect().right))") <= width


def test_rows_on_a_phone_are_still_a_table_to_listeners(open_page, server):
    page = open_page(viewport={"width": 320, "height": 740})
    page.goto(f"{server}/model-card")
    table = page.get_by_role("region", name="How good is it?").get_by_role("table")
    assert table.get_by_role("columnheader").count() == 6
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name="(accuracy)"))
    assert row.get_by_role("cell").count() == 5
    drawn = "cell => getComputedStyle(cell, '::before').content"
    assert row.locator("td:not(.wide)").evaluate_all(f"cells => cells.map({drawn})") == [
        '"Value"', '"95% interval"', '"Of"', '"Aimed at"'
    ]  # fmt: skip
