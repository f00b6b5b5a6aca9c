"""A volume: its summary, its slices to be gone through by wheel, keys, fingers and the range, its outlines as files."""

import io
import zipfile

import numpy as np
import pydicom
import pytest
from journeys import DESKTOP, PHONE, SIZES, analyze, api, canvas_of, fits, one_of_each, record, series, settled, volume

from model.labels import DISPLAY
from web.pages import LINES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    return volume(tmp_path_factory.mktemp("volume"))


@pytest.fixture(scope="module")
def expected(server, head):
    return record(server, head)


def here(page) -> int:
    settled(page)
    return int(page.get_by_role("slider", name="Slice").input_value())


@pytest.mark.parametrize("viewport", SIZES, ids=["phone", "desktop"])
def test_summary_is_what_the_api_says(open_page, head, expected, viewport):
    (study,) = (found["study"] for found in expected["studies"])
    page = open_page(viewport=viewport)
    card = analyze(page, head).first
    assert card.get_attribute("data-label") == study["label"]
    assert card.get_by_role("heading", level=2).inner_text().startswith(DISPLAY[study["label"]])
    summary = dict(card.locator(".summary div").evaluate_all("all => all.map(one => [...one.children].map(c => c.innerText))"))
    assert summary["Slices analyzed"] == f"{study['analyzed']} of 12"
    assert summary["Slices not analyzed"] == str(study["refused"])
    assert summary["Shown best in"] == f"slice {study['best_slice'] + 1}"
    assert summary["Volume of the outlines"] == f"{study['volume_ml']:.1f} ml"
    assert here(page) == study["best_slice"] + 1
    above, below = (card.locator(of).bounding_box() for of in ("header .downloads", ".stage"))
    assert below["y"] - above["y"] - above["height"] >= 8
    assert fits(page)


def test_findings_are_marked_on_the_track(open_page, head, expected):
    page = open_page(viewport=DESKTOP)
    analyze(page, head)
    names = {"refused": [], "uncertain": [], "tumor": []}
    for index, slice_ in enumerate(expected["records"]):
        if slice_["status"] == "refused":
            names["refused"].append(index)
        elif slice_["uncertain"]:
            names["uncertain"].append(index)
        elif slice_["label"] != "notumor":
            names["tumor"].append(index)
    assert names["refused"] and names["tumor"]
    for name, slices in names.items():
        places = page.locator(f".marks .{name}").evaluate_all("all => all.map(one => parseFloat(one.getAttribute('x')))")
        assert [round(place * 12 / 100) for place in places] == slices


def test_slices_are_gone_through_by_keys_wheel_and_range(open_page, head):
    page = open_page(viewport=DESKTOP)
    analyze(page, head)
    page.locator(".stage").focus()
    pictures = {}
    for key, slice_ in (("Home", 1), ("ArrowDown", 2), ("ArrowRight", 3), ("End", 12), ("ArrowUp", 11), ("PageUp", 1)):
        page.keyboard.press(key)
        assert here(page) == slice_, key
        assert page.locator("[data-slice-words]").inner_text().startswith(f"Slice {slice_} of 12: ")
        pictures[slice_] = canvas_of(page.locator(".stage canvas")).tobytes()
    assert len(set(pictures.values())) >= 2
    assert "not analyzed" in page.locator("[data-slice-words]").inner_text()  # the first is noise
    assert page.locator(".stage canvas").get_attribute("aria-label") == "Slice 1 of 12: not analyzed"
    page.locator(".stage").scroll_into_view_if_needed()
    page.locator(".stage").hover()
    page.mouse.wheel(0, 100)
    assert here(page) == 2
    page.mouse.wheel(0, -100)
    assert here(page) == 1
    page.get_by_role("slider", name="Slice").fill("7")
    assert page.locator("[data-slice-words]").inner_text().startswith("Slice 7 of 12: ")
    page.get_by_role("slider", name="Slice").press("ArrowRight")
    assert here(page) == 8


def test_slices_are_gone_through_by_a_finger(open_page, head):
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    analyze(page, head)
    page.locator(".stage").focus()
    page.keyboard.press("Home")
    page.locator(".stage").scroll_into_view_if_needed()
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + 60, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    for kind, places in (("touchStart", [0]), ("touchMove", [20, 60, 90]), ("touchEnd", [])):
        for place in places or [None]:
            points = [] if place is None else [{"x": x + place, "y": y}]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert 4 <= here(page) <= 9


def test_an_answer_of_many_slices_is_small(open_page, head):
    page = open_page(viewport=DESKTOP)
    with page.expect_response(lambda response: response.request.method == "POST") as answered:
        analyze(page, head)
    assert len(answered.value.body()) / 12 < 40_000  # of 120 x 140 pixels


SEG = "↓ Outlines as DICOM SEG"


def test_outlines_of_a_series_come_as_dicom_seg_when_they_are_asked_for(open_page, server, tmp_path):
    path = series(tmp_path)
    page = open_page(viewport=DESKTOP)
    analyze(page, one_of_each()[0], path)
    page.get_by_role("button", name="series.zip").click()
    assert "A DICOM SEG holds the patient" in page.locator("#opened").inner_text()
    assert "Plantedname" not in page.content()
    with page.expect_download() as downloaded:
        page.get_by_role("button", name=SEG).click()
    assert downloaded.value.suggested_filename == "mask.seg.dcm"
    seg = pydicom.dcmread(downloaded.value.path())
    expected = pydicom.dcmread(io.BytesIO(api(server, path, "mask?format=seg")))
    assert (seg.Modality, str(seg.PatientName)) == ("SEG", "Plantedname^Zebulon")
    np.testing.assert_array_equal(seg.pixel_array, expected.pixel_array)
    page.get_by_text("The DICOM SEG is among your downloads.").wait_for()


def test_outlines_of_loose_files_come_as_dicom_seg_too(open_page, server, tmp_path):
    """Their names do not tell that they are DICOM, so the page packs no ZIP; only the series is sent again."""
    path = series(tmp_path)
    with zipfile.ZipFile(path) as archive:
        slices = [archive.read(name) for name in archive.namelist()]
    files = [{"name": f"1.2.{i}", "mimeType": "application/octet-stream", "buffer": data} for i, data in enumerate(slices)]
    picture = {"name": "one.jpg", "mimeType": "image/jpeg", "buffer": one_of_each()[0].read_bytes()}
    page = open_page(viewport=DESKTOP)
    analyze(page, picture, *reversed(files))
    page.get_by_role("button", name="1.2.0 … 1.2.11").click()
    with page.expect_download() as downloaded, page.expect_request("**/api/v1/mask*") as asked:
        page.get_by_role("button", name=SEG).click()
    assert b"one.jpg" not in asked.value.post_data_buffer
    seg = pydicom.dcmread(downloaded.value.path())
    expected = pydicom.dcmread(io.BytesIO(api(server, path, "mask?format=seg")))
    np.testing.assert_array_equal(seg.pixel_array, expected.pixel_array)
    assert len(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 12


@pytest.mark.parametrize("attempt", ["other files", "sample", "canceled"])
def test_outlines_are_of_the_answer_that_is_shown_whatever_was_tried_after_it(open_page, server, tmp_path, attempt):
    path = series(tmp_path)
    other = tmp_path / "letter.png"
    other.write_text("Dear doctor")
    page = open_page(viewport=DESKTOP)
    analyze(page, path)
    page.go_back()
    if attempt == "other files":
        page.get_by_role("button", name="Remove series.zip").click()
        analyze(page, other)
        assert page.get_by_role("alert").get_by_role("heading").inner_text() == "This kind of file is not read"
    else:
        line = '{"error": {"title": "Busy", "message": "Too many images are being analyzed."}}\n'
        answer = {"status": 503, "content_type": LINES, "body": line}
        held = []
        fail = held.append if attempt == "canceled" else lambda route: route.fulfill(**answer)
        page.route(f"{server}/", lambda route: fail(route) if route.request.method == "POST" else route.fallback())
        page.get_by_role("button", name="Meningioma").click()
        if attempt == "canceled":
            page.get_by_role("button", name="Cancel").click()
            page.locator("[data-status-line]", has_text="Canceled").wait_for()
        else:
            page.get_by_role("alert").get_by_text("Too many images are being analyzed.").wait_for()
    page.go_forward()
    with page.expect_download() as downloaded, page.expect_request("**/api/v1/mask*") as asked:
        page.get_by_role("button", name=SEG).click()
    assert asked.value.post_data_buffer.count(b"filename=") == asked.value.post_data_buffer.count(b'"series.zip"') == 1
    seg, expected = map(pydicom.dcmread, (downloaded.value.path(), io.BytesIO(api(server, path, "mask?format=seg"))))
    np.testing.assert_array_equal(seg.pixel_array, expected.pixel_array)


BUSY = {"status": 503, "json": {"error": {"code": "busy", "message": "Too many images are being analyzed."}}}
BY_PROXY = {"content_type": "text/html", "body": "<h1>A proxy's own words</h1>"}


def test_why_there_is_no_seg_is_told_where_it_was_asked_for(open_page, tmp_path):
    page = open_page(viewport=DESKTOP)
    analyze(page, series(tmp_path))
    for answer, told in (
        (BUSY, "Too many images are being analyzed."),
        ({"status": 413} | BY_PROXY, "This is more than can be sent at once."),
        ({"status": 502} | BY_PROXY, "The program does not answer."),
    ):
        page.route("**/api/v1/mask*", lambda route, _, answer=answer: route.fulfill(**answer))
        page.get_by_role("button", name=SEG).click()
        page.get_by_text(told).wait_for()
        assert page.get_by_role("button", name=SEG).is_enabled()


def test_a_volume_of_nifti_offers_no_seg(open_page, head):
    page = open_page(viewport=DESKTOP)
    analyze(page, head)
    assert page.get_by_text("Outlines as NIfTI").count() == 1
    assert page.get_by_text("Outlines as DICOM SEG").count() == 0
