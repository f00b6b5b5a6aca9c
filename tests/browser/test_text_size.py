"""Text of twice its size on a phone, and a small screen: nothing makes the page move sideways (WCAG 1.4.4, 1.4.10)."""

import pytest
from journeys import LETTER, SAMPLES, fits, one_of_each, send, settled, volume

pytestmark = pytest.mark.browser
READING = ["", "understanding", "how-it-works", "model-card", "privacy", "nothing-here"]
SCREENS = {"phone, text of 200 %": (390, 32), "small screen": (320, 16)}
# The words beyond the sides of the page. A table of two dimensions may move in its box (1.4.10 allows it), the name of a file
# is cut short below its preview, and the rest is not drawn.
APART = ".confusion, .chosen, .unseen, .skip, .rows thead, script"
TORN = """(apart) => {
  const range = document.createRange(), words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const out = [];
  for (let node; (node = words.nextNode());) {
    if (!node.textContent.trim() || node.parentElement.closest(apart)) continue;
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5) out.push(node.textContent.trim());
    }
  }
  return [...new Set(out)];
}"""


@pytest.fixture(params=SCREENS.values(), ids=SCREENS)
def screen(request):
    return request.param


@pytest.fixture
def page(open_page, screen):
    """A page whose reader has set the browser's text to a size in px; 16 is what browsers come with."""
    width, size = screen

    def start(**options):
        page = open_page(viewport={"width": width, "height": 800}, **options)
        page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": size, "fixed": size}})
        page.reload()
        if options.get("java_script_enabled", True):
            assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == f"{size}px"
        return page

    return start


def sideways(page) -> list[str]:
    """What stands beyond the sides of the screen; and "scrolls" when one can go there."""
    settled(page)
    return page.evaluate(TORN, APART) + ["scrolls"] * (not fits(page))


@pytest.mark.parametrize("language", ["en", "es"])
def test_pages_to_read(page, server, language):
    page = page()
    found = {}
    for address in READING:
        page.goto(f"{server}/{address}?lang={language}")
        found[address] = sideways(page)
    assert found == {address: [] for address in READING}


def test_answers_and_errors(page, server, tmp_path):
    page = page()
    page.goto(f"{server}/?lang=es")  # of longer words
    text = tmp_path / "a-letter-with-a-long-name-from-the-hospital.png"
    text.write_text("Dear doctor")
    page.locator("#file").set_input_files([text, LETTER])
    found = {"chosen": sideways(page)}
    for name, files in {
        "error": [text],
        "answer": [one_of_each()[1]],
        "uncertain": [SAMPLES / "notumor_Te-no_0022.jpg"],
        "refused": [LETTER],
        "study": [volume(tmp_path, 6)],
        "batch": [*one_of_each(), LETTER, text],
    }.items():
        page.goto(server)
        send(page, *files)
        for summary in page.locator("#answer summary").all():
            summary.click()
        found[name] = sideways(page)
    page.locator("[data-open]").first.click()
    found["opened"] = sideways(page)
    assert found == {name: [] for name in found}


def test_answers_without_a_script(page, server, tmp_path):
    page = page(java_script_enabled=False)
    send(page, one_of_each()[0], LETTER, volume(tmp_path, 6))
    assert fits(page)


def test_what_sticks_out_is_found(page):
    page = page()
    heading = page.locator("#samples-title")
    heading.evaluate("heading => { heading.textContent = 'Unbreakable'.repeat(9); heading.style.overflowWrap = 'normal'; }")
    assert sideways(page) == [heading.inner_text(), "scrolls"]
