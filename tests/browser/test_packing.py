"""Several DICOM files, and folders: what is sent as one ZIP, what beside it, and what is told when that cannot be done."""

import base64
import io
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from journeys import DESKTOP, choose, one_of_each, press, series
from test_upload import DROP_FOLDER, NAMES

from format_samples import dicom

pytestmark = pytest.mark.browser

# Files are read only when `release` was called; `asked` counts those that were to be.
HOLD_FILES = """() => {
  const read = Blob.prototype.arrayBuffer;
  const released = new Promise((done) => { window.release = done; });
  window.asked = 0;
  window.reading = new Promise((begun) => {
    Blob.prototype.arrayBuffer = async function () {
      window.asked++;
      begun();
      await released;
      return read.call(this);
    };
  });
}"""
READING_BEGAN = "() => reading.then(() => asked)"  # wait_for_function would use eval, which the page forbids


def dicom_files(tmp_path, count: int = 4) -> list[Path]:
    """A folder with a file for each slice."""
    folder = tmp_path / "slices"
    folder.mkdir()
    paths = [folder / f"slice{number}.dcm" for number in range(count)]
    for number, path in enumerate(paths):
        place = {"ImagePositionPatient": [-10.0, -20.0, 5.0 * number], "InstanceNumber": number + 1}
        path.write_bytes(dicom(**place))
    return paths


def choose_folder(page, folder: Path) -> None:
    page.locator("[data-folder]").set_input_files(folder)
    page.locator(".chosen li").nth(len(list(folder.iterdir())) - 1).wait_for()


def names_sent(body: bytes) -> list[str]:
    return [name.decode() for name in re.findall(rb'name="file"; filename="([^"]*)"', body)]


def test_dicom_files_of_a_folder_are_sent_as_one_zip_and_read_as_one_series(open_page, tmp_path):
    folder = dicom_files(tmp_path)[0].parent
    page = open_page()
    choose_folder(page, folder)
    assert "They are sent together as one ZIP" in page.locator("[data-status-line]").inner_text()
    with page.expect_request(lambda request: request.method == "POST") as sent:
        press(page, "Analyze")
    body = sent.value.post_data_buffer
    start = body.index(b"PK\x03\x04")
    with zipfile.ZipFile(io.BytesIO(body[start : body.rindex(b"\r\n--")])) as archive:
        assert archive.testzip() is None
        assert sorted(name.split("/")[1] for name in archive.namelist()) == [f"slice{n}.dcm" for n in range(4)]
        assert archive.read(archive.namelist()[0]) == (folder / archive.namelist()[0].split("/")[1]).read_bytes()
    assert page.get_by_role("article").count() == 1


def test_pictures_and_zips_that_are_chosen_with_dicom_files_are_answered_too(open_page, tmp_path):
    paths = [one_of_each()[0], *dicom_files(tmp_path), series(tmp_path)]
    page = open_page(viewport=DESKTOP)
    choose(page, *paths)
    line = page.locator("[data-status-line]").inner_text()
    assert line.endswith(". The DICOM files are sent as one ZIP, so that slices of one series are read together.")
    with page.expect_request(lambda request: request.method == "POST") as sent:
        press(page, "Analyze")
    assert names_sent(sent.value.post_data_buffer) == ["4 files.zip", paths[0].name, "series.zip"]
    rows = page.locator("table.batch tbody tr")
    assert rows.get_by_role("rowheader").all_inner_texts() == ["4 files.zip", paths[0].name, "series.zip"]
    assert "left out" not in page.locator("#answer").inner_text()


def test_files_named_by_a_uid_stay_with_the_dicom_files(open_page, tmp_path):
    paths = dicom_files(tmp_path, 3)
    paths[2] = paths[2].rename(paths[2].with_name("1.2.840.10008"))
    page = open_page()
    choose(page, *paths)
    with page.expect_request(lambda request: request.method == "POST") as sent:
        press(page, "Analyze")
    assert names_sent(sent.value.post_data_buffer) == ["3 files.zip"]


def test_a_picture_in_a_folder_of_dicom_files_stays_with_them(open_page, tmp_path):
    folder = dicom_files(tmp_path)[0].parent
    shutil.copy(one_of_each()[0], folder / "thumbnail.jpg")
    page = open_page()
    choose_folder(page, folder)
    with page.expect_request(lambda request: request.method == "POST") as sent:
        press(page, "Analyze")
    assert names_sent(sent.value.post_data_buffer) == ["5 files.zip"]
    assert page.locator(".results").get_by_text("1 picture beside DICOM files left out.").is_visible()
    assert page.get_by_role("article").count() == 1


def test_a_picture_dropped_beside_a_folder_of_dicom_files_is_sent_beside_them(open_page, tmp_path):
    page = open_page()
    dropped = [*dicom_files(tmp_path, 2), one_of_each()[0]]
    page.evaluate(DROP_FOLDER, [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in dropped])
    with page.expect_request(lambda request: request.method == "POST") as sent:
        press(page, "Analyze")
    assert names_sent(sent.value.post_data_buffer) == ["2 files.zip", dropped[2].name]


@pytest.mark.parametrize("packed", [True, False])
def test_files_that_can_no_longer_be_read_are_told(open_page, tmp_path, packed):
    """As of a stick that was taken out."""
    paths = dicom_files(tmp_path, 4 if packed else 1)
    page = open_page()
    choose_folder(page, paths[0].parent)
    shutil.rmtree(paths[0].parent)
    press(page, "Analyze")
    assert page.get_by_role("alert").inner_text().split("\n") == [
        "This file cannot be read",
        "",
        "A file can no longer be read. Please choose the files again.",
    ]
    assert page.locator("[data-status-line]").inner_text() == ""
    assert page.get_by_role("button", name="Analyze", exact=True).is_enabled()
    press(page, "Glioma")
    assert page.get_by_role("article").count() == 1


def test_packing_is_shown_and_can_be_canceled(open_page, tmp_path):
    page = open_page()
    posts = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    choose_folder(page, dicom_files(tmp_path)[0].parent)
    page.evaluate(HOLD_FILES)
    page.get_by_role("button", name="Analyze", exact=True).click()
    assert page.evaluate(READING_BEGAN) == 1
    assert page.locator("[data-status-line]").inner_text() == "Reading the files"
    assert not page.locator(".upload [type=submit]").is_visible()
    page.get_by_role("button", name="Meningioma").click()  # one thing at a time
    page.get_by_role("button", name="Cancel").click()
    page.locator("[data-status-line]", has_text="Canceled. Nothing was kept.").wait_for()
    press(page, "Glioma")
    assert page.get_by_role("article").get_by_role("heading", level=2).inner_text() == "Glioma"
    page.evaluate("release()")
    page.wait_for_timeout(300)
    assert page.evaluate("asked") == 1  # no file was read after that
    assert len(posts) == 1
    assert page.locator("#answer").is_visible()


def test_all_that_was_chosen_when_it_was_sent_is_packed(open_page, tmp_path):
    page = open_page()
    choose_folder(page, dicom_files(tmp_path)[0].parent)
    page.evaluate(HOLD_FILES)
    page.get_by_role("button", name="Analyze", exact=True).click()
    assert page.evaluate(READING_BEGAN) == 1
    page.locator(".chosen button").first.click()
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.evaluate("release()")
    assert names_sent(sent.value.post_data_buffer) == ["4 files.zip"]


@pytest.mark.parametrize("compressible", [True, False])
def test_the_size_that_counts_is_that_of_the_zip(open_page, server, tmp_path, compressible):
    limit = 100_000

    def smaller(route):
        if route.request.method == "POST":
            return route.fallback()
        page_ = route.fetch()
        return route.fulfill(response=page_, body=re.sub('data-max-bytes="[0-9]+"', f'data-max-bytes="{limit}"', page_.text()))

    page = open_page()
    page.route(f"{server}/", smaller)
    page.goto(server)
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"slice{number}.dcm" for number in range(2)]
    for number, path in enumerate(paths):
        pixels = np.full((200, 200), 7 * number, np.uint16) if compressible else rng.integers(0, 2**16, (200, 200), np.uint16)
        path.write_bytes(dicom(pixels))
    assert sum(path.stat().st_size for path in paths) > limit
    posts = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    choose(page, *paths)
    line = page.locator("[data-status-line]").inner_text()
    assert "They are sent together as one ZIP" in line and "more than can be sent" not in line
    press(page, "Analyze")
    if compressible:
        assert names_sent(posts[0].post_data_buffer) == ["2 files.zip"]
    else:
        assert posts == []
        assert page.get_by_role("alert").inner_text().split("\n") == [
            "That is too much at once",
            "",
            "This is more than can be sent at once. Please choose fewer or smaller files.",
        ]


def test_what_systems_leave_in_folders_is_not_sent(open_page, tmp_path):
    folder = tmp_path / "cd"
    folder.mkdir()
    for name in ("DICOMDIR", "Thumbs.db", ".DS_Store", "autorun.inf", "notes.txt", "IM0001"):
        (folder / name).write_text("not an image")
    page = open_page()
    page.locator("[data-folder]").set_input_files(folder)
    page.locator(".chosen li").nth(1).wait_for()
    assert sorted(page.locator(NAMES).all_inner_texts()) == ["IM0001", "notes.txt"]
