"""scripts/predict.py: as other programs call it, on the real model and real slices."""

import csv
import ctypes
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.labels import LABELS
from scripts.predict import aligned

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "tests" / "samples"
MENINGIOMA = SAMPLES / "meningioma_Te-me_0016.jpg"


def predict(*arguments, stdin=b"") -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts" / "predict.py"), *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=ROOT / "tests")


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """Real slices in a folder and one below it, a photograph-like picture in color, and a file that is no image."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / "below").mkdir()
    (folder / "below" / "m.jpg").write_bytes(MENINGIOMA.read_bytes())
    (folder / "n.jpg").write_bytes((SAMPLES / "notumor_Te-no_0021.jpg").read_bytes())
    color = np.zeros((120, 160, 3), np.uint8)
    color[:, :80, 0], color[:, 80:, 1] = 220, 180
    Image.fromarray(color).save(folder / "photo.png")
    (folder / "text.txt").write_text("no image")
    (folder / ".hidden").write_text("not listed")
    return folder


@pytest.fixture(scope="module")
def run(tree, tmp_path_factory):
    masks = tmp_path_factory.mktemp("masks")
    return predict(tree, "--masks", masks), masks


def records(done) -> dict[str, dict]:
    return {r["file"]: r for r in map(json.loads, done.stdout.decode().splitlines())}


def test_one_record_per_slice_in_order_and_exit_1_for_an_unreadable_file(run):
    done, _ = run
    assert done.returncode == 1
    assert list(records(done)) == ["below/m.jpg", "n.jpg", "photo.png", "text.txt"]
    assert [r["status"] for r in records(done).values()] == ["ok", "ok", "refused", "error"]


def test_record_of_an_answer(run):
    record = records(run[0])["below/m.jpg"]
    assert list(record) == [
        "file", "slice", "status", "label", "probabilities", "uncertain", "in_distribution", "tumor", "timings_ms", "model",
    ]  # fmt: skip
    assert record["label"] == "meningioma"
    assert list(record["probabilities"]) == list(LABELS)
    assert sum(record["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
    assert list(record["timings_ms"]) == ["read", "preprocess", "infer", "decide"]
    assert record["model"] == json.loads((ROOT / "model" / "model.json").read_text())["version"]


def test_record_of_a_refusal_and_of_an_error(run):
    photo, text = records(run[0])["photo.png"], records(run[0])["text.txt"]
    assert photo["reason"] == "The image is in color (100% of its pixels); an MRI slice is gray."
    assert "label" not in photo and "probabilities" not in photo
    expected = "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: 8 bytes of something else."
    assert text["reason"] == expected


def test_masks_have_the_inputs_size_one_bit_and_the_tumors_area(run):
    done, masks = run
    assert sorted(p.relative_to(masks).as_posix() for p in masks.rglob("*.png")) == ["below/m.png", "n.png"]
    mask = Image.open(masks / "below" / "m.png")
    assert (mask.mode, mask.size) == ("1", Image.open(MENINGIOMA).size)
    tumor = records(done)["below/m.jpg"]["tumor"]
    assert np.asarray(mask).sum() == tumor["area_px"] > 100
    x0, y0, x1, y1 = tumor["box"]
    assert np.asarray(mask)[y0:y1, x0:x1].sum() == tumor["area_px"]
    assert not np.asarray(Image.open(masks / "n.png")).any()


def test_csv_and_standard_input():
    done = predict("-", "--format", "csv", stdin=MENINGIOMA.read_bytes())
    assert done.returncode == 0, done.stderr.decode()
    (row,) = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert (row["file"], row["status"], row["label"]) == ("-", "ok", "meningioma")
    assert float(row["meningioma"]) > 0.5


def test_table_names_the_file_as_it_was_given():
    done = predict("samples/notumor_Te-no_0021.jpg", "--format", "table")
    header, line = done.stdout.decode().splitlines()
    assert header.split() == ["file", "slice", "answer", "probability", "note"]
    assert line.split()[:3] == ["samples/notumor_Te-no_0021.jpg", "0", "notumor"]


def test_table_notes_what_is_uncertain_and_why_and_what_was_refused():
    chances = {"glioma": 0.97, "meningioma": 0.01, "notumor": 0.01, "pituitary": 0.01}
    sure = {"file": "a.png", "slice": 0, "status": "ok", "label": "glioma", "probabilities": chances, "uncertain": False}
    refused = {"file": "b.png", "slice": 0, "status": "refused", "reason": "The image is blank."}
    noted = {"notes": ["It shows a knee, not the head.", "2 files left out."]}
    records = [sure, sure | {"uncertain": True}, sure | {"uncertain": True, "reason": "This looks like CT."}, refused]
    records += [sure | noted, sure | {"uncertain": True} | noted, refused | noted]
    assert [aligned(record)[72:] for record in records] == [
        "\n",
        "  uncertain\n",
        "  uncertain. This looks like CT.\n",
        "  The image is blank.\n",
        "  It shows a knee, not the head. 2 files left out.\n",
        "  uncertain. It shows a knee, not the head. 2 files left out.\n",
        "  The image is blank. It shows a knee, not the head. 2 files left out.\n",
    ]
    assert aligned(refused | {"file": "heads.zip", "entry": "b.png"}).startswith("heads.zip/b.png     ")
    assert aligned(refused | {"file": "head.nii", "slice": 12}).split()[:3] == ["head.nii", "12", "refused"]


def test_table_shows_no_control_characters():
    """A terminal would obey them."""
    record = {"file": "a\x1b]0;b\x07\n.png", "slice": 0, "status": "error", "reason": "Received: \x9b2J."}
    name = "a\\x1b]0;b\\x07\\n.png"
    assert aligned(record) == f"{name:40}     0  {'error':12} {'':11}  Received: \\x9b2J.\n"
    study = {"start": 0, "stop": 2, "label": None, "volume_ml": None, "best_slice": 0, "files": ["\x1bc"], "uncertain": True}
    assert aligned({"file": "\x1b", "study": study}).split() == [
        "\\x1b", "none", "study", "of", "2", "slices,", "best", "\\x1bc,", "uncertain",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: PATH"),
        (["nowhere.png"], "expected a file, a folder or -. Received: nowhere.png, which does not exist"),
        (["samples", "--format", "xml"], "invalid choice: 'xml'"),
    ],
)
def test_bad_usage_is_exit_2(arguments, message):
    done = predict(*arguments)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert done.stdout == b""


def test_a_missing_model_is_one_clear_line(tmp_path):
    done = predict("samples", "--model", tmp_path / "model.h5")
    assert done.returncode == 1
    expected = f"predict.py: {tmp_path / 'model.json'}: expected the model's facts as JSON. Received: no such file."
    assert done.stderr.decode().startswith(expected)
    assert len(done.stderr.decode().splitlines()) == 1


def test_who_reads_no_further_ends_it_without_a_word():
    """As in `predict.py ... | head -1`."""
    command = [sys.executable, str(ROOT / "scripts" / "predict.py"), str(SAMPLES), "--format", "table"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"file ")
    process.stdout.close()
    assert process.wait(120) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.fixture
def waiting(tmp_path) -> subprocess.Popen:
    """predict.py with the model loaded, waiting for standard input, which never comes."""
    out = tmp_path / "records.csv"
    command = [sys.executable, str(ROOT / "scripts" / "predict.py"), "-", "--format", "csv", "--out", str(out)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 120
        while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def assert_interrupted(process: subprocess.Popen) -> None:
    assert process.wait(30) == 130
    said = process.stderr.read().decode().splitlines()[-1]
    assert said == "predict.py: interrupted. The same command with --resume goes on."


def test_ctrl_c_ends_it_at_once_with_130(waiting):
    waiting.send_signal(signal.SIGINT)
    assert_interrupted(waiting)


@pytest.mark.skipif(sys.platform != "linux", reason="needs tgkill, which sends a signal to one thread")
def test_ctrl_c_ends_it_whichever_thread_the_system_tells(waiting):
    """A process's signal may go to any of its threads; Python handles it in the main one, which has to wake up for that."""
    time.sleep(0.5)  # until the main thread waits
    threads = sorted(int(entry.name) for entry in Path(f"/proc/{waiting.pid}/task").iterdir())
    assert len(threads) > 1
    assert ctypes.CDLL(None).tgkill(waiting.pid, threads[-1], int(signal.SIGINT)) == 0
    assert_interrupted(waiting)
