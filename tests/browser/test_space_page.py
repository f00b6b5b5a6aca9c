"""The Space's app in Chromium, on a desktop and on a phone: it asks nothing of another host, and answers."""

import re

import numpy as np
import pytest
from PIL import Image

from model.labels import DISPLAY
from spaces import running_space

pytestmark = pytest.mark.browser
PATIENCE = 120_000  # ms; a machine may have other things to do
SCREENS = {
    "desktop, light": {"viewport": {"width": 1280, "height": 900}},
    "phone, dark": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def space(chromium, tmp_path_factory):
    with running_space(tmp_path_factory.mktemp("space")) as running:
        yield running.url


@pytest.fixture(params=SCREENS.values(), ids=SCREENS.keys())
def page(request, chromium, space):
    outside = []

    def guard(route):
        if route.request.url.startswith((f"{space}/", "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context = chromium.new_context(**request.param)
    context.set_default_timeout(PATIENCE)
    context.route("**/*", guard)
    page = context.new_page()
    page.goto(space)
    page.wait_for_selector("#examples button img")
    yield page
    context.close()
    assert outside == []


def test_an_example_is_answered_and_the_evidence_of_another_class_shown(page):
    assert page.locator("#examples button").count() == 12
    page.locator("#examples button").nth(3).click()
    page.wait_for_selector("#answer h2")
    assert page.locator("#answer h2").inner_text() == "Meningioma"
    seen = "document.querySelector('#answer h2').getBoundingClientRect().top"
    page.wait_for_function(f"0 <= {seen} && {seen} < window.innerHeight")
    assert "This is a comparison with pictures, not a diagnosis." in page.locator("#answer").inner_text()
    shown = page.locator("#chances").inner_text()
    assert all(name in shown for name in DISPLAY.values())
    page.wait_for_selector("#picture img")
    first = page.locator("#picture img").get_attribute("src")
    page.get_by_role("radio", name="Pituitary tumor").check()
    page.wait_for_function("first => document.querySelector('#picture img')?.getAttribute('src') != first", arg=first)
    assert page.locator("#answer h2").inner_text() == "Meningioma"  # the answer stays
    assert page.get_by_text("Not a medical device.", exact=True).is_visible()
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]


def test_a_doubtful_answer_and_a_refusal_say_so(page, tmp_path):
    page.locator("#examples button").nth(4).click()
    page.wait_for_selector("#answer .tag")
    assert page.locator("#answer .tag").inner_text() == "uncertain"
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(photo)
    page.reload()
    page.locator("#file input[type=file]").set_input_files(photo)
    page.wait_for_selector("#answer h2")
    assert page.locator("#answer h2").inner_text() == "This image was not analyzed"
    assert not re.search("|".join(DISPLAY.values()), page.locator("#answer").inner_text())
