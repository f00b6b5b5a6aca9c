"""scripts/evaluate.py: what it is asked, what it tells and keeps, how it ends."""

import argparse
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import FakeClassifier, pages, picture, refused
from model.training.dataset import assign, build_manifest, save_manifest
from model.training.sides import remember
from synthetic import write_tree

ROOT = Path(__file__).parents[1]
script = runpy.run_path(str(ROOT / "scripts" / "evaluate.py"))
cases = script["cases_of_side"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """What is asked about for one side of a run that held Br35H's tumors out."""
    folder = tmp_path_factory.mktemp("run")
    data = write_tree(folder / "data")
    items = build_manifest(data, workers=1)
    save_manifest(items, folder / "manifest.csv")
    remember(folder / "run", assign(items, "leakfree", 4, ["br35h_tumor"]))
    options = {"data": data, "manifest": folder / "manifest.csv", "run": folder / "run", "every": 1, "masks": None}

    def ask(side, source=None):
        return cases(argparse.Namespace(**options, side=side, source=source))

    return ask


def test_one_source_of_a_side(asked):
    assert [(case.label, case.groups) for case in asked("held_out")] == [("tumor", ("source br35h_tumor",))] * 4
    assert asked("held_out", "br35h_tumor") == asked("held_out")
    kaggle = asked("testing", "kaggle")
    assert len(kaggle) == 16 and all("source kaggle" in case.groups for case in kaggle)


def test_a_source_that_is_not_there(asked):
    with pytest.raises(FileNotFoundError, match=r"Expected slices of kaggle with a side held_out in .*run\. Received: none"):
        asked("held_out", "kaggle")


def test_corruptions_need_slices_of_a_known_class(tmp_path):
    """Of a tumor of unknown type nobody can say whether a corruption made the answer wrong."""
    write_tree(tmp_path)
    (tmp_path / "only" / "tumor").mkdir(parents=True)
    shutil.copy(next((tmp_path / "br35h_tumor").iterdir()), tmp_path / "only" / "tumor")
    options = argparse.Namespace(data=tmp_path / "only", manifest=None, run=None, side=None, source=None, every=1, masks=None)
    with pytest.raises(FileNotFoundError, match=r"^Expected slices of a known class, to corrupt\. Received: 1 of none$"):
        script["measure_corruptions"](None, options)


class Fixed(FakeClassifier):
    """Calls every slice a glioma."""


@pytest.fixture
def evaluate(monkeypatch):
    """The script's main, around a classifier with fixed answers."""
    monkeypatch.setattr(script["Classifier"], "load", lambda path: Fixed())
    return script["main"]


@pytest.fixture
def data(tmp_path) -> Path:
    """Two gliomas, one of them with a name that is neither Unicode nor harmless to a terminal, and what is left out."""
    data = tmp_path / "data"
    for name in ("Glioma/1.png", "Glioma/below/\x1b[2J\udcff.png", "no_tumor/1.png", "cats/1.png", "Glioma/1.zip", "notes"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(b"no image" if "\x1b" in name else picture())
    return data


LEFT_OUT = """\
unreadable: Glioma/below/\\x1b[2J\udcff.png
Glioma taken for glioma
no_tumor taken for notumor
left out: files in cats: 1
left out: files beside the folders: 1
left out: files named *.zip: 1
"""


def test_what_is_left_out_is_told_after_the_table_and_in_the_json(evaluate, data, tmp_path, capsysbinary):
    assert evaluate(["--data", str(data), "--json", str(tmp_path / "r.json")]) == 0
    assert capsysbinary.readouterr().out.decode("utf-8", "surrogateescape").endswith("\n" + LEFT_OUT)
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["slices"], report["unreadable"], report["accuracy"]["hits"]) == (2, 1, 1)
    assert report["left_out"] == {
        "folders": {"cats": 1, ".": 1}, "kinds": {".zip": 1}, "taken_for": {"Glioma": "glioma", "no_tumor": "notumor"},
        "further_slices": 0, "tumors_without_mask": 0, "masks_of_another_size": 0, "unreadable_masks": 0,
    }  # fmt: skip


def test_what_is_left_out_under_corruptions(evaluate, data, tmp_path, capsysbinary):
    (data / "Glioma" / "2.tif").write_bytes(pages(3))
    assert evaluate(["--data", str(data), "--json", str(tmp_path / "r.json"), "--corruptions"]) == 0
    told = f"\nslices: 3\n{LEFT_OUT}left out: further slices: 2\n"
    assert capsysbinary.readouterr().out.decode("utf-8", "surrogateescape").endswith(told)
    left_out = json.loads((tmp_path / "r.json").read_text())["left_out"]
    assert (left_out["unreadable"], left_out["further_slices"]) == (1, 2)


@pytest.mark.parametrize("option", ["--outside", "--ct"])
def test_what_cannot_be_read_is_counted_of_other_images_too(evaluate, data, tmp_path, capsysbinary, option):
    assert evaluate([option, str(data), "--json", str(tmp_path / "r.json")]) == 0
    told = capsysbinary.readouterr().out
    assert b"\nunreadable: Glioma/below/\\x1b[2J\xff.png\n" in told
    surely = told.partition(b"\nanswered, and not called uncertain\nall  ")[2].splitlines()[:1]
    assert [line.split()[0] for line in surely] == ([b"100.00"] if option == "--outside" else [])
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["left_out"] == {"kinds": {"": 1, ".zip": 1}, "further_slices": 0, "unreadable": 1}
    assert report["no_tumor"] == {"value": 0.0, "low": 0.0, "high": pytest.approx(0.793, abs=1e-3), "hits": 0, "of": 1}


def test_the_figures_are_kept_before_anything_is_printed(evaluate, data, tmp_path, monkeypatch):
    def gone(*lines, **options):
        raise BrokenPipeError

    monkeypatch.setitem(evaluate.__globals__, "print", gone)
    assert evaluate(["--data", str(data), "--json", str(tmp_path / "new" / "r.json")]) == 141
    assert json.loads((tmp_path / "new" / "r.json").read_text())["slices"] == 2


def test_figures_are_kept_in_a_model_json_that_has_none_yet(evaluate, data, tmp_path):
    facts = tmp_path / "model.json"
    facts.write_text("{}")
    assert evaluate(["--data", str(data), "--record", "testing", "--record-in", str(facts)]) == 0
    testing = json.loads(facts.read_text())["figures"]["testing"]
    assert (testing["model"], testing["slices"]) == ("fake-1", 2)
    assert "left_out" not in testing  # names of folders are not for everyone who reads what the model has shown


def test_refused_slices_leave_no_nan_behind(evaluate, data, tmp_path, monkeypatch):
    fake = FakeClassifier()
    fake.answer = refused()
    monkeypatch.setattr(script["Classifier"], "load", lambda path: fake)
    facts = tmp_path / "model.json"
    facts.write_text("{}")
    assert evaluate(["--data", str(data), "--record", "a", "--record-in", str(facts), "--plots", str(tmp_path / "plots")]) == 0
    assert json.loads(facts.read_text(), parse_constant=pytest.fail)["figures"]["a"]["calibration_error"]["value"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "d", "--run", "r"], "--manifest, --run and --side belong together"),
        (
            ["--outside", "d", "--masks", "m", "--corruptions"],
            "expected --corruptions, --masks with --data. Received: --outside",
        ),
        (["--ct", "d", "--source", "kaggle"], "expected --source with --data. Received: --ct"),
        (["--ct", "d", "--every", "2"], "expected --every with --data. Received: --ct"),
        (["--outside", "d", "--plots", "p"], "expected --plots with --data. Received: --outside"),
        (["--data", "d", "--source", "kaggle"], "--source needs --run"),
        (["--data", "d", "--record-in", "j"], "--record-in needs --record NAME"),
        (["--data", "d", "--every", "0"], "argument --every: expected a whole number, 1 or more. Received: '0'"),
        (["--data", "d", "--every", "-1"], "argument --every: expected a whole number, 1 or more. Received: '-1'"),
        (
            ["--data", "d", "--masks", "m", "--corruptions"],
            "expected --masks or --corruptions. Received: both; no Dice is measured under corruptions",
        ),
        (
            ["--data", "d", "--masks", "m", "--manifest", "f", "--run", "r", "--side", "testing"],
            "expected --masks or --run. Received: both; the manifest names the masks",
        ),
        (["--data", "d", "--json", "."], "expected a file that can be written. Received: ."),
        (["--data", "d", "--json", "taken/r.json"], "expected a file that can be written. Received: taken/r.json"),
        (["--data", "d", "--plots", "taken"], "expected a folder for pictures that can be written to. Received: taken"),
        (
            ["--data", "d", "--record", "a", "--record-in", "taken"],
            "expected a model.json to keep the figures in. Received: taken, which is none",
        ),
    ],
)
def test_bad_usage_is_told_before_the_work(evaluate, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script["Classifier"], "load", lambda path: pytest.fail("the model was loaded"))
    Path("taken").write_text("")
    with pytest.raises(SystemExit) as ended:
        evaluate(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "d", "--record", "a", "--record-in", "new"], "cannot use new (No such file or directory)"),
        (["--data", "d"], "Expected images in folders named glioma, meningioma, notumor, pituitary, tumor in d. "
         "Received: No such file or directory"),
        (["--data", "empty"], "Expected images in folders named glioma, meningioma, notumor, pituitary, tumor in empty. "
         "Received: none"),
        (["--outside", "broken"], "Expected images that can be read. Received: 1, none of which can"),
        (["--data", "broken"], "Expected images that can be read. Received: 1, none of which can"),
        (["--data", "broken", "--masks", "new"], "Expected a folder of masks. Received: new, which is none"),
        (["--data", "broken", "--manifest", "new", "--run", "r", "--side", "testing"],
         "cannot use new (No such file or directory)"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_one_line(evaluate, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("broken/glioma").mkdir(parents=True)
    Path("broken/glioma/1.png").write_bytes(b"no image")
    assert evaluate(arguments) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"evaluate.py: {message}"


@pytest.mark.parametrize("variable", ["EARLYMED_ENGINE", "EARLYMED_THREADS"])
def test_an_engine_that_there_is_not_is_one_line(tmp_path, variable):
    command = [sys.executable, str(ROOT / "scripts" / "evaluate.py"), "--data", str(tmp_path)]
    done = subprocess.run(command, env=os.environ | {variable: "bogus"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith("evaluate.py: ") and "bogus" in done.stderr


def test_ctrl_c_is_one_line(evaluate, data, capsysbinary, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(Fixed, "predict", interrupted)
    assert evaluate(["--data", str(data)]) == 130
    assert capsysbinary.readouterr().err.decode().splitlines()[-1] == "evaluate.py: interrupted."
