"""Windows' contrast themes: the system's colors replace the page's, and what a color or a ground said is still there."""

import pytest
from journeys import LETTER, analyze, one_of_each, settled, volume

pytestmark = pytest.mark.browser
SYSTEM = """names => Object.fromEntries(names.map(name => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = name;
  const color = getComputedStyle(probe).color;
  probe.remove();
  return [name, color];
}))"""
STYLE = """(element, names) => {
  const style = getComputedStyle(element);
  return names.map(name => style.getPropertyValue(name));
}"""
BORDERS = "elements => elements.map(e => getComputedStyle(e)).map(s => [s.borderTopStyle, s.borderTopColor, s.borderTopWidth])"


@pytest.fixture(params=["light", "dark"])
def page(open_page, request):
    """The person has also picked the page's light or dark, which must not matter."""
    page = open_page(
        forced_colors="active", color_scheme="dark", reduced_motion="reduce", viewport={"width": 1280, "height": 800}
    )
    page.evaluate("theme => localStorage.setItem('theme', theme)", request.param)
    page.reload()
    return page


@pytest.fixture
def system(page):
    return page.evaluate(SYSTEM, ["Canvas", "CanvasText", "Highlight", "HighlightText", "GrayText"])


def style(locator, *names) -> list[str]:
    return locator.evaluate(STYLE, list(names))


def visible_borders(locator, system) -> None:
    found = locator.evaluate_all(BORDERS)
    assert found
    for line, color, width in found:
        assert line != "none" and float(width[:-2]) >= 1 and color not in (system["Canvas"], "rgba(0, 0, 0, 0)")


def test_bars_and_switches_of_an_answer(page, system):
    analyze(page, one_of_each()[1])
    settled(page)
    visible_borders(page.locator(".bar, .stage, .quiet, .choice span, .item"), system)
    assert style(page.locator(".bar-track").first, "fill") == [system["Canvas"]]
    assert style(page.locator(".bars .own .bar-fill"), "fill") == [system["Highlight"]]
    assert style(page.locator(".bars li:not(.own) .bar-fill").first, "fill") == [system["CanvasText"]]
    chosen = page.locator(".choice input:checked + span")
    assert style(chosen, "background-color", "color") == [system["Highlight"], system["HighlightText"]]
    other = page.locator(".choice input:not(:checked) + span").first
    assert style(other, "background-color") != [system["Highlight"]]
    pressed = page.get_by_role("button", name="Invert")
    before = style(pressed, "background-color")
    pressed.click()
    assert style(pressed, "background-color") == [system["Highlight"]] != before


def test_focus_is_seen(page, system):
    for _ in range(12):
        page.keyboard.press("Tab")
        line, width, color = style(page.locator(":focus"), "outline-style", "outline-width", "outline-color")
        assert line != "none" and float(width[:-2]) >= 2 and color not in (system["Canvas"], "rgba(0, 0, 0, 0)")


def test_buttons_of_the_start_page(page, system):
    visible_borders(page.locator(".primary, .sample, .drop, .quiet:visible, .upload"), system)


def test_marks_of_a_study_and_rows_of_a_batch(page, server, system, tmp_path):
    analyze(page, volume(tmp_path, 6))
    settled(page)
    visible_borders(page.locator(".marks, .key, .summary div"), system)
    assert page.locator(".marks .tumor").count() > 0
    mark, track = page.locator(".marks .tumor").first, page.locator(".marks")
    assert style(mark, "fill") != style(track, "background-color")
    page.goto(server)
    analyze(page, *one_of_each()[:2], LETTER)
    assert style(page.locator(".table-box"), "background-image") == [
        "none"
    ]  # a shade of the page's own ground would hide words
    page.locator("[data-open]").first.click()
    assert style(page.locator("tr[aria-current]"), "outline-style", "outline-color") == ["solid", system["Highlight"]]


def test_plots_of_the_model_card(page, server, system):
    page.goto(f"{server}/model-card")
    assert style(page.locator(".plot text").first, "fill") == [system["CanvasText"]]
    strokes = page.locator(".curve").evaluate_all("curves => curves.map(curve => getComputedStyle(curve).stroke)")
    assert set(strokes) == {system["CanvasText"], system["Highlight"]}
    dashes = page.locator("polyline.curve").evaluate_all(
        "curves => curves.map(curve => getComputedStyle(curve).strokeDasharray)"
    )
    assert len(set(dashes)) == 4  # told apart without colors
    visible_borders(page.locator(".span"), system)
    assert style(page.locator(".dark-4").first, "outline-style") == ["solid"]


def test_an_error_is_framed(page, system, tmp_path):
    letter = tmp_path / "letter.png"
    letter.write_text("Dear doctor")
    analyze(page, letter)
    visible_borders(page.locator(".problem"), system)
