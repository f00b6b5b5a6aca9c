"""Files are chosen, dropped, pasted, looked at and taken out again; sending and work can be watched and canceled."""

import base64
import re

import pytest
from journeys import DESKTOP, analyze, choose, one_of_each, press, volume

pytestmark = pytest.mark.browser


NAMES = ".chosen span"
TRANSFER = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, type, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name, { type }));
  }
  return transfer;
}"""

# What a browser gives for a folder that is dropped: entries, which are read in portions, an empty one at the end.
DROP_FOLDER = """([first, second, ...beside]) => {
  const entry = ([name, data]) => ({
    isFile: true,
    file: (done) => done(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name, { type: "image/jpeg" })),
  });
  const folder = (...portions) => ({
    isDirectory: true,
    createReader: () => ({ readEntries: (done) => done(portions.shift() ?? []) }),
  });
  const below = folder([entry(second), entry(["Thumbs.db", ""])]);
  const top = folder([entry(first), entry([".DS_Store", ""])], [below]);
  const event = new Event("drop", { bubbles: true, cancelable: true });
  const items = [top, ...beside.map(entry)].map((one) => ({ webkitGetAsEntry: () => one }));
  Object.defineProperty(event, "dataTransfer", { value: { types: ["Files"], files: [], items } });
  document.querySelector("footer").dispatchEvent(event);
  return event.defaultPrevented;
}"""

PASTE = """(element, clipboardData) => {
  element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


def transfer_of(page, *paths):
    return page.evaluate_handle(TRANSFER, [[p.name, "image/jpeg", base64.b64encode(p.read_bytes()).decode()] for p in paths])


def test_chosen_files_are_previewed_and_can_be_removed(open_page, tmp_path):
    page = open_page(viewport=DESKTOP)
    files = [*one_of_each(), volume(tmp_path)]
    choose(page, *files[:3])
    choose(page, *files[3:])  # they come on top
    assert page.locator(NAMES).all_inner_texts() == [path.name for path in files]
    page.locator(".chosen img").nth(3).wait_for()
    assert page.locator(".chosen img").evaluate_all("all => all.every(image => image.naturalWidth > 0)")
    assert page.locator(".chosen .kind").inner_text() == "NIfTI"
    page.get_by_role("button", name=f"Remove {files[1].name}").click()
    assert page.locator(NAMES).all_inner_texts() == [path.name for path in files if path != files[1]]
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Remove {files[2].name}"
    assert page.locator("[data-status-line]").inner_text() == "Files chosen: 4, 458 kB"


def test_files_may_be_dropped_anywhere_and_pasted(open_page):
    page = open_page()
    first, second, *_ = one_of_each()
    page.dispatch_event("footer", "dragenter", {"dataTransfer": transfer_of(page, first)})
    assert page.locator(".upload.dropping").count() == 1
    page.dispatch_event("footer", "drop", {"dataTransfer": transfer_of(page, first)})
    page.locator(".chosen li").first.wait_for()
    assert page.locator(".upload.dropping").count() == 0
    pasting = "(transfer) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer }))"
    page.evaluate(pasting, transfer_of(page, second))
    assert page.locator(NAMES).all_inner_texts() == [first.name, second.name]


def test_text_that_is_pasted_with_its_picture_stays_text(open_page):
    """Cells of a spreadsheet are in the clipboard as both."""
    page = open_page()
    press(page, "Glioma")
    page.locator(".report-fields summary").click()
    picture = transfer_of(page, one_of_each()[0])
    for name in ("Name", "Remark"):
        page.get_by_label(name, exact=True).evaluate(PASTE, picture)
    assert page.get_by_role("article").is_visible()
    assert page.locator(NAMES).count() == 0
    page.locator("h1").first.evaluate(PASTE, picture)
    page.locator("#ask").wait_for()
    assert page.locator(NAMES).all_inner_texts() == [one_of_each()[0].name]


def test_a_folder_may_be_dropped_with_what_is_below_it(open_page):
    page = open_page()
    first, second, *_ = one_of_each()
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in (first, second)]
    assert page.evaluate(DROP_FOLDER, files)  # else the browser would leave the page to show it
    page.locator(".chosen li").nth(1).wait_for()
    assert page.locator(NAMES).all_inner_texts() == [first.name, second.name]


def test_progress_is_that_of_the_work(open_page, tmp_path):
    page = open_page()
    page.evaluate("""() => {
      window.told = [];
      const line = document.querySelector("[data-status-line]");
      const changes = { childList: true, characterData: true, subtree: true };
      new MutationObserver(() => told.push(line.textContent)).observe(line, changes);
    }""")
    assert page.locator("[data-status-line]").get_attribute("role") == "status"
    analyze(page, volume(tmp_path, 20))
    told = page.evaluate("told")
    assert "Sent. Waiting for the model." in told
    counts = [int(found[1]) for text in told if (found := re.fullmatch(r"Analyzing: (\d+) of 20 slices", text))]
    assert counts == [0, 16]  # batches of 16
    assert told.index("Analyzing: 16 of 20 slices") < told.index("Preparing the pictures")


def test_cancelling_stops_the_work_and_gives_the_turn_back(open_page, running, tmp_path):
    page = open_page()
    before = running.output().count("pages.answer_page answered")
    choose(page, volume(tmp_path, 90))
    page.get_by_role("button", name="Analyze", exact=True).click()
    page.locator("[data-status-line]", has_text="Analyzing").wait_for()
    page.get_by_role("button", name="Cancel").click()
    assert page.locator("[data-status-line]").inner_text() == "Canceled. Nothing was kept."
    assert page.locator(NAMES).all_inner_texts() == ["head.nii"]  # still chosen
    page.get_by_role("button", name="Remove head.nii").click()
    press(page, "No tumor")
    assert page.get_by_role("article").count() == 1
    assert running.output().count("pages.answer_page answered") == before + 1  # that of the sample alone


def test_who_sends_by_keys_is_led_to_cancel_and_back(open_page, tmp_path):
    page = open_page()
    choose(page, volume(tmp_path, 90))
    page.get_by_role("button", name="Analyze", exact=True).press("Enter")
    page.locator("[data-status-line]", has_text="Analyzing").wait_for()
    page.keyboard.press("Tab")
    cancel = page.get_by_role("button", name="Cancel")
    assert cancel.evaluate("button => button === document.activeElement")
    cancel.press("Enter")
    page.locator("[data-status-line]", has_text="Canceled").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Analyze"


def test_a_lost_connection_is_told_and_the_files_stay(open_page, server):
    page = open_page()
    page.route(f"{server}/", lambda route: route.abort() if route.request.method == "POST" else route.fallback())
    analyze(page, one_of_each()[0])
    assert "The program does not answer." in page.get_by_role("alert").inner_text()
    assert page.locator(NAMES).count() == 1


@pytest.mark.parametrize(
    ("status", "title", "message"),
    [
        (413, "That is too much at once", "This is more than can be sent at once. Please choose fewer or smaller files."),
        (502, "No connection", "The program does not answer. Is it still running? Your files are still chosen; try again."),
    ],
)
def test_the_answer_of_a_proxy_is_told(open_page, server, status, title, message):
    page = open_page()
    answer = {"status": status, "content_type": "text/html", "body": "<html>\r\n<h1>nginx</h1>\r\n</html>\r\n"}
    page.route(f"{server}/", lambda route: route.fulfill(**answer) if route.request.method == "POST" else route.fallback())
    analyze(page, one_of_each()[0])
    assert page.get_by_role("alert").inner_text().split("\n") == [title, "", message]
    assert page.locator(NAMES).count() == 1


def test_nothing_chosen_is_told_without_asking(open_page):
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request.method))
    page.get_by_role("button", name="Analyze", exact=True).click()
    assert page.get_by_role("alert").inner_text().split("\n") == [
        "No file was chosen.",
        "",
        "Please choose a file first, or try one of the samples.",
    ]
    assert "POST" not in asked


def test_more_files_than_may_be_sent_are_told_before_they_are_sent(open_page, tmp_path):
    page = open_page()
    large = tmp_path / "large.dcm"
    large.write_bytes(bytes(98 * 2**20))
    choose(page, large)
    assert "This is more than can be sent at once." in page.locator("[data-status-line]").inner_text()
