"""The Space's app gives the answers of the page and the API, to the last digit; driven by gradio_client."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import create_app
from format_samples import VOLUME, nifti
from model.labels import DISPLAY, LABELS, MEANING
from model.reading import read
from spaces import running_space
from uploads import API, OVERLAY, send

ROOT = Path(__file__).parents[1]
SAMPLES = sorted((ROOT / "tests" / "samples").glob("*.jpg"))
INFO = json.loads((ROOT / "model" / "model.json").read_text())


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    with running_space(tmp_path_factory.mktemp("space")) as running:
        yield running


@pytest.fixture(scope="module")
def ask(space):
    from gradio_client import Client, handle_file

    client = Client(space.url, verbose=False, analytics_enabled=False)

    def ask(path, *arguments):
        return client.predict(handle_file(path), *arguments, api_name="/analyze")

    ask.client = client
    return ask


@pytest.fixture(scope="module")
def flask(classifier):
    return create_app({"TESTING": True}, classifier=classifier).test_client()


def without_times(record: dict) -> dict:
    return {key: value for key, value in record.items() if key not in ("file", "timings_ms")}


def pixels(picture) -> np.ndarray:
    return np.asarray(Image.open(picture).convert("RGB"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_same_answer_as_the_api_and_the_page(ask, flask, path):
    chances, picture, words, record = ask(path)
    content = path.read_bytes()
    expected = send(flask, API, (path.name, content)).get_json()
    assert without_times(record) == without_times(expected)
    assert {row["label"]: row["confidence"] for row in chances["confidences"]} == {
        DISPLAY[key]: value for key, value in expected["probabilities"].items()
    }
    assert chances["label"] == DISPLAY[expected["label"]]
    assert MEANING[expected["label"]] in words and f"<h2>{DISPLAY[expected['label']]}" in words
    assert ("uncertain" in words) == expected["uncertain"]
    drawn = send(flask, OVERLAY, (path.name, content)).data
    assert (pixels(picture) == pixels(io.BytesIO(drawn))).all()
    page = send(flask, "/", (path.name, content)).text
    assert f'data-label="{record["label"]}"' in page
    shown = sorted(float(chance) for chance in re.findall(r'aria-valuenow="([0-9.]+)"', page))
    told = sorted(100 * chance for chance in record["probabilities"].values())
    assert shown == pytest.approx(told, abs=0.051)  # the page rounds to 0.1 what the record rounds to 0.0001


def test_same_answer_as_the_notebook(ask, classifier, monkeypatch):
    """Its last section, run here, against the Space; the cell itself holds the answer against the API's."""
    monkeypatch.chdir(ROOT)
    cells = json.loads((ROOT / "EarlyMed.ipynb").read_text(encoding="utf-8"))["cells"]
    (cell,) = ("".join(cell["source"]) for cell in cells if "create_app" in "".join(cell["source"]))
    slices = {path.stem: read(path.read_bytes())[0] for path in SAMPLES}
    notebook = {"classifier": classifier, "SAMPLES": SAMPLES, "slices": slices}
    exec(cell, notebook)
    assert without_times(notebook["record"]) == without_times(ask(notebook["path"])[3])


@pytest.mark.parametrize("label", LABELS)
def test_evidence_of_a_chosen_class(ask, flask, label):
    path = SAMPLES[0]
    _, picture, _, _ = ask(path, 1, DISPLAY[label], ["Evidence"])
    drawn = send(flask, f"{OVERLAY}?label={label}&outline=false", (path.name, path.read_bytes())).data
    assert (pixels(picture) == pixels(io.BytesIO(drawn))).all()


def test_nothing_drawn_over_the_slice_at_will(ask):
    _, picture, _, _ = ask(SAMPLES[0], 1, DISPLAY["glioma"], [])
    shown = pixels(picture)
    assert (shown[..., 0] == shown[..., 1]).all() and (shown[..., 1] == shown[..., 2]).all()


def test_refused_is_said_plainly(ask, flask, tmp_path):
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(photo)
    chances, picture, words, record = ask(photo)
    expected = send(flask, API, ("photo.png", photo.read_bytes())).get_json()
    assert expected["status"] == "refused"
    assert without_times(record) == without_times(expected)
    assert not chances and "This image was not analyzed" in words
    assert not any(name in words for name in DISPLAY.values())
    assert Path(picture).is_file()


def test_unreadable_hears_why(ask, flask, tmp_path):
    letter = tmp_path / "Ophelia.jpg"
    letter.write_text("Dear doctor")
    chances, picture, words, record = ask(letter)
    message = send(flask, API, ("a.jpg", letter.read_bytes())).get_json()["error"]["message"]
    assert record == {"slice": 0, "status": "error", "reason": message, "model": INFO["version"]}
    assert not chances and picture is None and message in words


def test_slices_of_a_volume(ask, flask, tmp_path):
    import nibabel

    volume = tmp_path / "head.nii.gz"
    nibabel.save(nibabel.Nifti1Image(VOLUME, np.eye(4)), volume)
    records = send(flask, API, ("head.nii.gz", volume.read_bytes())).get_json()["records"]
    assert len(records) > 1
    last = ask(volume, len(records))[3]
    assert (last["slice"], last["status"]) == (len(records) - 1, records[-1]["status"])
    beyond = ask(volume, len(records) + 1)[3]
    assert beyond["reason"] == f"Expected a slice from 1 to {len(records)}. Received: {len(records) + 1}."
    offered = ask.client.predict(_file(volume), api_name="/slices")
    assert offered["value"] == (len(records) + 1) // 2 and offered["maximum"] == len(records) and offered["visible"]


def test_a_picture_has_the_proportions_of_the_head(ask, tmp_path):
    volume = tmp_path / "head.nii"
    volume.write_bytes(nifti(affine=np.diag([1.0, 2.0, 3.0, 1.0])))
    height, width = np.asarray(read(volume.read_bytes())[0]).shape
    picture = Image.open(ask(volume)[1])
    assert picture.width / picture.height == pytest.approx(width / height / 2, rel=0.02)


def requirements(path: str) -> set[str]:
    return {line for line in (ROOT / path).read_text().splitlines() if line and not line.startswith("#")}


def test_requirements_are_the_projects_and_gradio():
    version = re.search(r"^sdk_version: (.+)$", (ROOT / "spaces" / "README.md").read_text(), re.M).group(1)
    assert requirements("spaces/requirements.txt") - requirements("requirements-clinic.txt") == {f"gradio=={version}"}
    assert not [line for line in requirements("requirements.txt") if line.startswith("gradio")]


def test_api_names(ask):
    endpoints = ask.client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {"/analyze", "/slices"}
    names = [parameter["parameter_name"] for parameter in endpoints["/analyze"]["parameters"]]
    assert names == ["data", "slice_number", "evidence_for", "shown"]


def test_configuration(ask):
    config = ask.client.config
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False  # else browsers keep the answers
    assert config["max_file_size"] == 32 * 2**20
    assert {row["api_name"]: row["queue"] for row in config["dependencies"]}["analyze"] is True


def test_too_large_a_file_is_refused(ask, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(bytes(33 * 2**20))
    with pytest.raises(Exception, match=re.compile("size|413|large", re.IGNORECASE)):
        ask(large)


def test_no_name_in_the_log_and_no_network(ask, space, tmp_path):
    named = tmp_path / "Ophelia-Namesake.jpg"
    named.write_bytes(SAMPLES[0].read_bytes())
    assert ask(named)[3]["status"] == "ok"
    assert not re.search("ophelia|namesake", space.log.read_text(), re.IGNORECASE)
    assert "Traceback" not in space.log.read_text()
    assert not space.outside.exists()


def test_temporary_files_end_with_the_app(ask, space, tmp_path):
    """The last test: it ends the app. While it runs, delete_cache does the same by age."""
    named = tmp_path / "Zebulon.jpg"
    named.write_bytes(SAMPLES[0].read_bytes() + b"more")
    ask(named)
    assert list(space.temporary.rglob("Zebulon.jpg"))
    assert space.stop() == 0
    left = {path.name for path in space.temporary.rglob("*") if path.is_file()}
    assert left <= {path.name for path in SAMPLES}


def _file(path):
    from gradio_client import handle_file

    return handle_file(path)
