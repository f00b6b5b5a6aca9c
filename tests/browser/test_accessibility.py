"""axe-core finds nothing on any page, in any state of it, in either scheme, on a phone and on a desktop."""

from importlib.resources import files
from itertools import product

import pytest
from journeys import LETTER, SIZES, analyze, one_of_each, press, settled, volume

pytestmark = pytest.mark.browser
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
READING = ["/understanding", "/how-it-works", "/model-card", "/privacy", "/nothing-here", "/understanding?lang=es"]
APPEARANCES = list(product(SIZES, ["light", "dark"]))


def violations(page) -> list[str]:
    """What axe-core finds in any appearance of what the page shows: the appearance, the rule, and where."""
    settled(page)
    page.evaluate(AXE)
    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = []
    for size, scheme in APPEARANCES:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        for rule in page.evaluate("options => axe.run(document, options)", options)["violations"]:
            where = f"{size['width']} {scheme} {rule['id']}"
            found += [f"{where}: {node['target']} {node['failureSummary']}" for node in rule["nodes"]]
    return found


@pytest.fixture
def page(open_page):
    """Colors change at once; a transition from those before would be judged halfway."""
    return open_page(reduced_motion="reduce")


def test_pages_to_read(page, server):
    found = {}
    for address in READING:
        page.goto(server + address)
        found[address] = violations(page)
    assert found == {address: [] for address in READING}


def test_home_and_its_errors(page, tmp_path):
    assert violations(page) == []
    letter = tmp_path / "letter.png"
    letter.write_text("Dear doctor")
    analyze(page, letter)
    assert page.get_by_role("alert").is_visible()
    assert violations(page) == []


def test_result_and_refusal(page, server):
    analyze(page, one_of_each()[1])
    assert violations(page) == []
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(page) == []
    page.goto(server)
    press(page, "A letter, to be refused")
    assert violations(page) == []


def test_study_and_batch(page, server, tmp_path):
    analyze(page, volume(tmp_path, 6))
    assert violations(page) == []
    page.goto(server)
    analyze(page, *one_of_each(), LETTER)
    assert violations(page) == []


def test_without_a_script(page, server):
    """The same answers as whole pages; axe itself needs scripts, so they are allowed once the page is there."""
    page.route("**/page.js", lambda route: route.abort())
    page.goto(server)
    analyze(page, one_of_each()[0], LETTER)
    assert page.locator(".report-pictures img").count() > 0
    assert violations(page) == []


FAINT = "#faint { color: #888; background: #777; }"


def test_axe_finds_what_is_wrong(page):
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"/static/logo.svg\">')")
    assert sum("image-alt: " in found for found in violations(page)) == len(APPEARANCES)


@pytest.mark.parametrize(
    ("media", "where"),
    [("(prefers-color-scheme: dark)", {"360 dark", "1280 dark"}), ("(max-width: 400px)", {"360 light", "360 dark"})],
)
def test_axe_finds_what_is_wrong_in_some_appearances(page, media, where):
    page.evaluate(
        """([media, faint]) => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`@media ${media} { ${faint} }`);
          document.adoptedStyleSheets = [sheet];
          document.querySelector("main").insertAdjacentHTML("beforeend", "<p id=faint>Faint</p>");
        }""",
        [media, FAINT],
    )
    found = violations(page)
    assert {one.split(" color-contrast: ")[0] for one in found} == where, found


MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  return style.transitionDuration.split(", ").some((time) => time !== "0s") || style.animationName !== "none";
}).length"""


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_whoever_asked_for_that(open_page, motion, moves):
    page = open_page(reduced_motion=motion)
    assert (page.evaluate(MOVING) > 0) is moves
    press(page, "Meningioma")
    assert moves or page.evaluate(MOVING) == 0
