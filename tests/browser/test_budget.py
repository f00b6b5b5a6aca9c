"""What a visit costs: bytes, the time until something is seen, and pictures or text that jump."""

import statistics
import time

import pytest
from journeys import DESKTOP, PHONE, analyze, one_of_each

pytestmark = pytest.mark.browser
FIRST_PAGE = 100_000  # bytes, with all that belongs to it
FIRST_PAINT = 1000  # ms longer than a page that holds next to nothing, so that a loaded machine does not count
READING = ["/understanding", "/how-it-works", "/model-card", "/privacy"]
SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(entry.value);
}).observe({type: "layout-shift", buffered: true});
"""


def weight(page, address: str) -> int:
    """Bytes of the bodies of all that the page loads, not from the cache."""
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address, wait_until="networkidle")
    assert len(answers) > 2
    return sum(len(answer.body()) for answer in answers if not answer.url.startswith("data:"))


def first_paint(open_page, address: str) -> float:
    """ms, the median of three visits, each of a browser that knows nothing yet."""
    times = []
    for _ in range(3):
        page = open_page()
        page.goto(address)
        times.append(
            page.evaluate(
                """() => new Promise(done => new PerformanceObserver(list => done(list.getEntries()[0].startTime))
                .observe({type: "paint", buffered: true}))"""
            )
        )
        page.context.close()
    return statistics.median(times)


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_first_page_is_light(chromium, server, viewport):
    context = chromium.new_context(viewport=viewport)
    assert 5_000 < weight(context.new_page(), f"{server}/") < FIRST_PAGE
    context.close()


@pytest.mark.alone
def test_first_paint_comes_soon(open_page, server):
    plain = first_paint(open_page, f"{server}/static/logo.svg")
    assert first_paint(open_page, f"{server}/") < plain + FIRST_PAINT


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_jumps(open_page, server, viewport):
    page = open_page(viewport=viewport)
    page.add_init_script(SHIFTS)
    for address in ["/", *READING]:
        page.goto(server + address, wait_until="networkidle")
        assert sum(page.evaluate("window.shifts")) == 0, address


COMING = """async () => {
  const hero = document.querySelector(".hero"), form = hero.querySelector("form"), lines = [...form.children];
  for (const later of document.querySelectorAll("form.upload ~ *, .hero ~ *, footer")) later.remove();
  for (const line of lines) line.remove();
  await new Promise(done => setTimeout(done, 300));
  window.shifts.length = 0;
  for (const line of lines) {
    form.append(line);
    await new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)));
  }
  return window.shifts.reduce((sum, shift) => sum + shift, 0);
}"""


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_jumps_while_the_form_is_still_coming(open_page, server, viewport):
    """On a slow line it is seen line by line; it was centered in its column, and sank with each."""
    page = open_page(viewport=viewport)
    page.add_init_script(SHIFTS)
    page.goto(server, wait_until="networkidle")
    assert page.evaluate(COMING) < 0.0005  # a margin between two lines


def answered_late(route):
    """What moves within half a second of a click counts as asked for, so a quick answer hides what jumps."""
    if route.request.method == "POST":
        time.sleep(0.7)
    route.continue_()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_jumps_when_the_result_comes(open_page, server, viewport):
    page = open_page(viewport=viewport)
    page.add_init_script(SHIFTS)
    page.goto(server)
    page.route("**/*", answered_late)
    analyze(page, one_of_each()[0])
    page.wait_for_timeout(500)
    assert sum(page.evaluate("window.shifts")) == 0
