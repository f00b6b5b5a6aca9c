"""The page as a whole: it fits, it works with keys alone and without a script, and says what went wrong."""

import pytest
from journeys import DESKTOP, LETTER, PHONE, SIZES, analyze, fits, one_of_each, press, record, settled, volume

from model.labels import DISPLAY, LABELS

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [320, 360, 1280, 3840])
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_page_fits_the_screen(open_page, width, color_scheme):
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=color_scheme)
    assert fits(page)
    assert page.get_by_text("Not a medical device.", exact=True).is_visible()


@pytest.mark.parametrize("viewport", SIZES, ids=["phone", "desktop"])
def test_everything_works_without_javascript(open_page, server, tmp_path, viewport):
    page = open_page(java_script_enabled=False, viewport=viewport)
    expected = [record(server, path)["label"] for path in one_of_each()]
    cards = analyze(page, *one_of_each(), LETTER)
    assert [card.get_attribute("data-label") for card in cards.all()] == [*expected, None]
    assert cards.last.get_by_role("heading", level=2).inner_text() == "This image was not analyzed"
    assert page.locator("table.batch tbody tr").count() == 5
    assert fits(page)
    study = analyze(page, volume(tmp_path)).first
    assert study.locator(".report-pictures img").count() == 2
    study.get_by_text("The answer for each slice").click()
    assert study.locator(".slice-list li").count() == 12
    analyze(page)  # nothing chosen
    asked = page.get_by_role("alert").get_by_role("paragraph").inner_text()
    assert asked == "No file was chosen. Please choose a file first, or try one of the samples."


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_samples_are_one_press_away(open_page, server, java_script_enabled):
    page = open_page(java_script_enabled=java_script_enabled)
    press(page, "A letter, to be refused")
    card = page.get_by_role("article")
    assert card.get_attribute("data-status") == "refused"
    assert "What would be accepted" in card.inner_text()
    assert not any(name in card.inner_text() for name in DISPLAY.values())
    page.goto(server)
    press(page, "Pituitary tumor")
    assert card.get_attribute("data-label") in LABELS


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_text_file_gets_a_clear_message_and_the_form_again(open_page, server, tmp_path, java_script_enabled):
    letter = tmp_path / "letter.png"
    letter.write_text("Dear doctor")
    page = open_page(java_script_enabled=java_script_enabled)
    cards = analyze(page, letter)
    alert = page.get_by_role("alert")
    assert alert.get_by_role("heading").inner_text() == "This kind of file is not read"
    expected = "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: 11 bytes of something else."
    assert alert.get_by_role("paragraph").inner_text() == expected
    assert cards.count() == 0
    if java_script_enabled:
        page.get_by_role("button", name="Remove letter.png").click()
    slice_ = one_of_each()[0]
    assert analyze(page, slice_).first.get_attribute("data-label") == record(server, slice_)["label"]  # the form works on


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_too_large_an_upload_hears_why(open_page, tmp_path, java_script_enabled):
    large = tmp_path / "large.png"
    large.write_bytes(bytes(98 * 2**20))
    page = open_page(java_script_enabled=java_script_enabled)
    with page.expect_response("**/") as answered:
        analyze(page, large)
    assert answered.value.status == 413
    assert "Expected at most 96 MB in all." in page.get_by_role("alert").inner_text()


def test_keyboard_alone_reaches_everything(open_page):
    page = open_page(viewport=DESKTOP)
    reached = []
    for _ in range(17):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.innerText.trim().split('\\n')[0]"))
    menu = ["Analyze", "Understanding your results", "How it works", "Model card", "Privacy"]
    assert reached[:2] + reached[2:7] == ["Skip to the content", "EarlyMed", *menu]
    rest = reached[7:]
    assert rest.index("Dark") < rest.index("file") < rest.index("Analyze") < rest.index("Glioma")


def test_the_link_past_the_menu_keeps_the_answer(open_page):
    page = open_page(viewport=DESKTOP)
    press(page, "Meningioma")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    settled(page)
    assert page.get_by_role("article").is_visible()
    assert page.evaluate("document.activeElement.id") == "main"
    page.go_back()  # one step, as without the link
    assert page.get_by_role("button", name="Analyze", exact=True).is_visible()


def test_light_and_dark_can_be_picked_and_are_remembered(open_page, server):
    page = open_page(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name="Dark")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(server)
    assert page.evaluate(ground) == dark
    button.click()
    assert page.evaluate(ground) == light


def test_back_leads_to_the_question_and_forward_to_the_answer(open_page):
    page = open_page(viewport=PHONE)
    press(page, "Meningioma")
    assert page.title().startswith("Your result ")
    page.go_back()
    assert page.get_by_role("button", name="Analyze", exact=True).is_visible()
    assert page.get_by_role("article").count() == 0
    page.go_forward()
    assert page.get_by_role("article").is_visible()
    page.get_by_role("link", name="Analyze another").click()
    assert page.get_by_role("button", name="Analyze", exact=True).is_visible()


def test_analyzing_another_works_after_the_page_was_loaded_anew(open_page):
    page = open_page()
    press(page, "Glioma")
    page.reload()
    press(page, "Meningioma")
    page.get_by_role("link", name="Analyze another").click()
    page.locator("#ask").wait_for()
    assert not page.locator("#answer").is_visible()
    page.go_forward()
    assert page.get_by_role("heading", level=2).first.inner_text() == "Meningioma"


def test_the_next_answer_takes_the_place_of_the_one_that_is_read_meanwhile(open_page, server):
    page = open_page()
    heading = page.get_by_role("article").get_by_role("heading", level=2)
    press(page, "Glioma")
    page.go_back()
    held = []
    page.route(f"{server}/", lambda route: held.append(route) if route.request.method == "POST" else route.fallback())
    with page.expect_request(lambda request: request.method == "POST"):
        page.get_by_role("button", name="Meningioma").click()
    page.go_forward()
    assert heading.inner_text() == "Glioma"
    held[0].continue_()
    page.locator("article h2", has_text="Meningioma").wait_for()
    page.get_by_role("link", name="Analyze another").click()
    page.locator("#ask").wait_for()
    assert not page.locator("#answer").is_visible()


NOTED = "link => document.getElementById(link.getAttribute('aria-describedby')).textContent"
HEADINGS = {"Español": "Qué ve una red neuronal en un corte de resonancia del cerebro"}


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_reading_on_does_not_lose_the_answer(open_page, java_script_enabled):
    """It is kept nowhere but in its page, so from there what is read opens in a new tab, and says so."""
    page = open_page(java_script_enabled=java_script_enabled)
    menu, result = page.get_by_role("navigation"), page.get_by_role("article")
    press(page, "Glioma")
    for place, name in (
        (result, "Understanding your results"),
        *((menu, name) for name in ("Understanding your results", "How it works", "Model card", "Privacy")),
        (page.get_by_role("banner"), "Español"),
    ):
        link = place.get_by_role("link", name=name)
        assert place is result or link.evaluate(NOTED) == "(in a new tab)"
        with page.expect_popup() as read:
            link.click()
        assert read.value.get_by_role("heading", level=1).inner_text() == HEADINGS.get(name, name)
        assert read.value.get_by_role("navigation").locator("[target]").count() == 0
        read.value.close()
        assert result.get_by_role("heading", level=2).inner_text() == "Glioma"


def test_the_menu_leads_from_an_answer_back_to_the_question_without_losing_it(open_page):
    page = open_page()
    for name in ("Analyze", "EarlyMed"):
        press(page, "Glioma")
        page.get_by_role("banner").get_by_role("link", name=name, exact=True).click()
        page.locator("#ask").wait_for()
        assert not page.locator("#answer").is_visible()
        assert page.get_by_role("banner").locator("[target], [aria-describedby]").count() == 0
        page.go_forward()
        assert page.get_by_role("article").get_by_role("heading", level=2).inner_text() == "Glioma"
        page.go_back()
