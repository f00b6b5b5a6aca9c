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
