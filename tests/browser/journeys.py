"""What the browser tests share: the steps of a person, the files that are sent, and what the API answers to them."""

import base64
import io
import json
import urllib.request
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from format_samples import dicom, zipped
from model.labels import LABELS

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "samples"
LETTER = ROOT / "static" / "samples" / "letter.png"
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
SIZES = [PHONE, DESKTOP]


def one_of_each() -> list[Path]:
    return [sorted(SAMPLES.glob(f"{label}*.jpg"))[0] for label in LABELS]


def choose(page, *files) -> None:
    page.get_by_label("Choose a brain MRI slice").set_input_files(list(files))


def analyze(page, *files):
    """Choose the files, press the button; returns the answers' cards."""
    choose(page, *files)
    press(page, "Analyze")
    return page.get_by_role("article")


def send(page, *files) -> None:
    """The same whatever the page's language."""
    page.locator("#file").set_input_files(list(files))
    press_button(page, page.locator(".upload [type=submit]"))


def press(page, name: str) -> None:
    """Press a button that asks for an answer, and wait for it or for the reason why there is none."""
    press_button(page, page.get_by_role("button", name=name, exact=True))


def press_button(page, button) -> None:
    if page.locator(".upload.scripted").count():
        button.click()
        page.wait_for_selector("#answer:not([hidden]) #results, [role=alert]:not([hidden])")
    else:
        with page.expect_navigation():
            button.click()


def api(server: str, path: Path, call: str = "predict") -> bytes:
    """The API's answer to a file."""
    body = b"\r\n".join(
        [b"--limit", b'Content-Disposition: form-data; name="file"; filename="a"', b"", path.read_bytes(), b"--limit--", b""]
    )
    headers = {"Content-Type": "multipart/form-data; boundary=limit"}
    with urllib.request.urlopen(urllib.request.Request(f"{server}/api/v1/{call}", body, headers), timeout=120) as answer:
        return answer.read()


def record(server: str, path: Path) -> dict:
    return json.loads(api(server, path))


def slices_of_a_head(slices: int = 12) -> np.ndarray:
    """One slice of noise, then slices without a tumor, and in the middle third some with one: int16 (n, 140, 120)."""
    parts = {name: Image.open(SAMPLES / name).convert("L").resize((120, 140)) for name in
             ("meningioma_Te-me_0016.jpg", "notumor_Te-no_0021.jpg")}  # fmt: skip
    tumor, healthy = map(np.asarray, parts.values())
    shown = [tumor if slices // 3 <= i < 2 * slices // 3 else healthy for i in range(slices)]
    shown[0] = np.random.default_rng(0).integers(0, 256, healthy.shape)
    return np.stack(shown).astype(np.int16)


def volume(folder: Path, slices: int = 12) -> Path:
    """The slices of a head as NIfTI."""
    values = slices_of_a_head(slices).transpose(2, 1, 0)[::-1, ::-1]
    path = folder / "head.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.5, 1.5, 5.0, 1.0])), path)
    return path


def series(folder: Path) -> Path:
    """The slices of a head as a DICOM series in a ZIP."""
    files = [dicom(one, position=5.0 * i, FrameOfReferenceUID="1.2.3.7") for i, one in enumerate(slices_of_a_head())]
    path = folder / "series.zip"
    path.write_bytes(zipped({f"{i}.dcm": file for i, file in enumerate(files)}))
    return path


def printed(page) -> list:
    """The pages that the browser would print."""
    pypdf = pytest.importorskip("pypdf")
    return list(pypdf.PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True, print_background=False))).pages)


def text_of(sheet) -> str:
    """What stands on a printed page."""
    return " ".join(sheet.extract_text().split())


def canvas_of(locator) -> np.ndarray:
    """What a canvas shows: uint8 (H, W, 3)."""
    data = locator.evaluate("canvas => canvas.toDataURL()").split(",")[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def settled(page) -> None:
    """Let the viewer finish its drawing."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 60)))")


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
