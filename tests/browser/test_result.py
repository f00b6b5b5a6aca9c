"""One slice's answer: what it says is what the API says, and its viewer does what its help tells."""

import io

import numpy as np
import pytest
from journeys import DESKTOP, PHONE, SAMPLES, SIZES, analyze, api, canvas_of, fits, one_of_each, press, record, settled
from PIL import Image

from model.labels import DISPLAY, LABELS, MEANING

pytestmark = pytest.mark.browser
CANVAS = ".stage canvas"
TUMOR = SAMPLES / "meningioma_Te-me_0020.jpg"


def shown(page) -> np.ndarray:
    settled(page)
    return canvas_of(page.locator(CANVAS))


def test_there_is_a_sample_of_each_class():
    assert {path.stem.split("_")[0] for path in one_of_each()} == set(LABELS)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*_00*[0268].jpg")), ids=lambda path: path.stem)
def test_page_says_what_the_api_says(open_page, server, path):
    expected = record(server, path)
    page = open_page(viewport=DESKTOP)
    card = analyze(page, path).first
    assert card.get_attribute("data-label") == expected["label"]
    heading = card.get_by_role("heading", level=2).inner_text()
    assert heading.startswith(DISPLAY[expected["label"]])
    assert ("uncertain" in heading) == expected["uncertain"]
    assert ("Do not rely on this answer." in card.inner_text()) == expected["uncertain"]
    assert MEANING[expected["label"]] in card.inner_text()
    assert path.name in card.inner_text()
    shown = [meter.get_attribute("aria-label") for meter in card.get_by_role("meter").all()]
    order = sorted(expected["probabilities"], key=lambda label: shown.index(DISPLAY[label]))
    assert len(shown) == len(order)
    probabilities = [expected["probabilities"][label] for label in order]  # rounded: two may be the same to the last digit
    assert probabilities == sorted(probabilities, reverse=True)
    widths = card.locator(".bar-fill").evaluate_all(
        "bars => bars.map(bar => bar.getBoundingClientRect().width / bar.parentElement.clientWidth)"
    )
    assert widths == pytest.approx(probabilities, abs=0.004)
    if expected["tumor"]:
        assert f"{expected['tumor']['area_px']:,} pixels" in card.inner_text()
        assert "An outlined region lies" in page.locator(CANVAS).get_attribute("aria-label")
    else:
        none = "Nothing is outlined" if expected["label"] == "notumor" else "no region of this slice stands out enough"
        assert none in card.inner_text()


@pytest.mark.parametrize("viewport", SIZES, ids=["phone", "desktop"])
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_result_fits_the_screen(open_page, viewport, color_scheme):
    page = open_page(viewport=viewport, color_scheme=color_scheme)
    press(page, "Meningioma")
    assert fits(page)
    box = page.locator(".stage").bounding_box()
    assert box["width"] > 0.75 * min(viewport["width"], 700) and box["height"] >= 280
    assert page.evaluate("document.activeElement.id") == "results"


def test_evidence_and_outline_are_drawn_as_the_api_draws_them(open_page, server):
    page = open_page(viewport=DESKTOP)
    analyze(page, TUMOR)
    settled(page)
    drawn = canvas_of(page.locator("canvas[data-print=evidence]")).astype(float)
    expected = np.asarray(Image.open(io.BytesIO(api(server, TUMOR, "overlay"))).convert("RGB")).astype(float)
    assert drawn.shape == expected.shape
    assert abs(drawn - expected).mean() < 1.5
    assert np.quantile(abs(drawn - expected), 0.99) < 25
    plain = np.asarray(Image.open(io.BytesIO(api(server, TUMOR, "overlay?evidence=false"))).convert("RGB")).astype(float)
    assert abs(drawn - plain).mean() > 2 * abs(drawn - expected).mean()


def test_slice_is_large_on_a_large_screen(open_page):
    page = open_page(viewport={"width": 3840, "height": 2160})
    analyze(page, TUMOR)
    assert page.locator(".stage").bounding_box()["width"] > 1400
    assert fits(page)


def test_layers_can_be_switched_for_any_class(open_page):
    page = open_page(viewport=DESKTOP)
    analyze(page, TUMOR)
    assert page.get_by_label("Strength of the color").is_disabled()  # no evidence is shown
    outlined = shown(page)
    page.get_by_label("Outline of the tumor").uncheck()
    plain = shown(page)
    assert (outlined != plain).any()
    assert (plain[..., 0] == plain[..., 2]).all()  # gray
    pictures = {}
    for name in DISPLAY.values():
        page.get_by_role("radio", name=name).check(force=True)
        pictures[name] = shown(page).tobytes()
    assert len(set(pictures.values())) > 2  # some of the four may have no evidence at all
    page.get_by_role("radio", name="Meningioma").check(force=True)
    strong = shown(page).astype(int)
    page.get_by_label("Strength of the color").fill("20")
    weak = shown(page).astype(int)
    assert abs(strong - plain).sum() > 2 * abs(weak - plain).sum() > 0
    page.get_by_label("Strength of the color").fill("0")
    assert (shown(page) == plain).all()


def test_keys_of_the_viewer(open_page):
    page = open_page(viewport=DESKTOP)
    analyze(page, TUMOR)
    first = shown(page)
    page.locator(".stage").focus()
    seen = {}
    for key in ("]", ".", "+", "ArrowLeft", "i", "e", "o"):
        before = shown(page)
        page.keyboard.press(key)
        seen[key] = shown(page)
        assert (seen[key] != before).any(), key
    assert page.get_by_role("button", name="Invert").get_attribute("aria-pressed") == "true"
    assert not page.get_by_label("Outline of the tumor").is_checked()
    for key in ("r", "o", "0"):
        page.keyboard.press(key)
    assert (shown(page) == first).all()
    page.keyboard.press("2")
    assert page.locator(".choice input").nth(2).is_checked()
    scroll = page.evaluate("scrollY")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("scrollY") == scroll  # the viewer's, not the page's
    page.get_by_text("Mouse, touch and keys").click()
    help_ = page.locator(".keys").inner_text()
    assert all(key in help_ for key in ("[", "]", "+", "O", "E", "I", "R", "1"))


def test_mouse_in_the_viewer(open_page):
    page = open_page(viewport=DESKTOP)
    analyze(page, TUMOR)
    first = shown(page)

    def middle() -> tuple[float, float]:
        page.locator(".stage").scroll_into_view_if_needed()
        box = page.locator(".stage").bounding_box()  # a button that was pressed may have moved the page
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(dx: float, dy: float) -> np.ndarray:
        x, y = middle()
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + dx, y + dy, steps=4)
        page.mouse.up()
        return shown(page)

    assert drag(0, -120).mean() > first.mean() + 5  # up is brighter
    page.get_by_role("button", name="Reset").click()
    assert (shown(page) == first).all()
    page.locator(".stage").focus()
    page.mouse.move(*middle())
    page.mouse.wheel(0, -400)
    zoomed = shown(page)
    assert (zoomed != first).any()
    page.get_by_role("button", name="Move").click()
    moved = drag(60, 0)
    assert (moved != zoomed).any()
    assert (moved[:, 100:] == zoomed[:, 40:-60])[..., 0].mean() > 0.9  # the picture goes where the mouse goes


def test_touch_in_the_viewer(open_page):
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    analyze(page, TUMOR)
    page.locator(".stage").scroll_into_view_if_needed()
    first = shown(page)
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})

    touch("touchStart", (x - 20, y), (x + 20, y))
    for spread in (40, 60, 80):
        touch("touchMove", (x - spread, y), (x + spread, y))
    touch("touchEnd")
    zoomed = shown(page)
    assert (zoomed != first).any()
    assert page.evaluate("visualViewport.scale") == 1  # the viewer's zoom, not the page's
    touch("touchStart", (x, y))
    touch("touchMove", (x + 30, y))
    touch("touchMove", (x + 50, y))
    touch("touchEnd")
    assert (shown(page) != zoomed).any()
