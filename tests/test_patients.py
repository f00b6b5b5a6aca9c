"""Volumes rebuilt from slices: what they are made of, the rules on them, the figures."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import FakeClassifier, ok, refused
from model.reading import Series
from model.study import summarize
from model.training import patients
from model.training.dataset import Item, save_manifest
from model.training.sides import remember

ROOT = Path(__file__).parents[1]


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture
def data(tmp_path) -> Path:
    """Two patients of nine slices: bright where the tumor is, in slices 8 to 12 of 5, 6, ... 13; and healthy heads."""
    folder = tmp_path / "data"
    for patient in ("TCGA_AA_0001", "TCGA_AA_0002"):
        for number in range(5, 14):
            mask = np.zeros((24, 24), bool)
            mask[6:12, 6:12] = 8 <= number <= 12
            save(mask, folder / "tcga_lgg" / "masks" / f"{patient}_19990101_{number}.png")
            for sequence in ("flair", "t1post"):
                name = f"{patient}_19990101_{number}_{sequence}.jpg"
                save(np.where(mask, 250, 10 * number).astype(np.uint8), folder / "tcga_lgg" / "images" / name)
    for number in range(15):
        save(np.full((24, 24), 90, np.uint8), folder / "healthy_t1" / f"brisc_{number:03}_no_ax_t1.jpg")
    for number in range(2):
        save(np.full((24, 24), 90, np.uint8), folder / "healthy_t1" / f"brisc_{number:03}_no_sa_t1.jpg")
    return folder


def test_masks_with_soft_edges_are_taken_as_in_training(data):
    """What is no brighter than half the brightest is none of the tumor."""
    for path in (data / "tcga_lgg" / "masks").iterdir():
        soft = np.array(Image.open(path).convert("L"))
        soft[:3] = 120 if soft.any() else 0
        save(soft, path)
    volume = next(patients.lgg_volumes(data, {"TCGA_AA_0001"}))
    assert [int(mask.sum()) for mask in volume.truth] == [0, 0, 0, 36, 36, 36, 36, 36, 0]


@pytest.fixture
def classifier() -> FakeClassifier:
    """Sees what is bright, but in the darkest slices refuses."""
    fake = FakeClassifier()

    def answer(pixels: np.ndarray):
        if pixels.max() < 55:
            return refused()(pixels)
        prediction = ok("glioma" if pixels.max() > 200 else "notumor")(pixels)
        prediction.mask[:] = pixels > 200
        return prediction

    fake.answer = answer
    return fake


def stacks_of(data: Path) -> list[patients.Stack]:
    heads = [f"healthy_t1/{file.name}" for file in (data / "healthy_t1").glob("*.jpg")]
    return [*patients.lgg_volumes(data, {"TCGA_AA_0001", "TCGA_AA_0002"}), *patients.healthy_heads(data, heads)]


def asked(data: Path, classifier) -> list[patients.Asked]:
    return [answer for stack in stacks_of(data) for answer in patients.ask(classifier, stack)]


def test_stacks(data):
    stacks = stacks_of(data)
    assert [(s.kind, s.patient[-1], s.name, len(s.slices)) for s in stacks] == [
        ("tumor", "1", "FLAIR", 9), ("pieces", "1", "FLAIR", 4),
        ("tumor", "1", "T1 post-contrast", 9), ("pieces", "1", "T1 post-contrast", 4),
        ("tumor", "2", "FLAIR", 9), ("pieces", "2", "FLAIR", 4),
        ("tumor", "2", "T1 post-contrast", 9), ("pieces", "2", "T1 post-contrast", 4),
        ("heads", "0", "axial", 12), ("heads", "1", "axial", 3),
    ]  # fmt: skip
    numbers = [int(file.stem.split("_")[-2]) for file in stacks[0].slices]
    assert numbers == list(range(5, 14))  # not 10 before 5
    assert stacks[0].truth.any((1, 2)).tolist() == [8 <= n <= 12 for n in numbers]
    assert [int(file.stem.split("_")[-2]) for file in stacks[1].slices] == [5, 6, 7, 13]


def test_only_the_patients_asked_for(data):
    assert {stack.patient for stack in patients.lgg_volumes(data, {"TCGA_AA_0002"})} == {"TCGA_AA_0002"}


def test_answers(data, classifier):
    first = asked(data, classifier)[0]
    assert (first.study.label, first.study.refused, first.study.best_slice) == ("glioma", 1, 3)
    assert first.tumor == pytest.approx([0.09] * 2 + [0.97] * 5 + [0.09], abs=0.001)
    assert first.dice > 0.85  # JPEG blurs the edge


def test_dice_is_of_the_volume():
    truth = np.zeros((2, 4, 4), bool)
    truth[0, :2], truth[1, :1] = True, True
    first, second = ok()(truth[0]), ok()(truth[1])
    first.mask[:] = truth[0]  # 8 of 8; the second slice: 0 of 4
    assert patients.dice([first, second], truth) == pytest.approx(2 * 8 / (8 + 12))


TUMOR = np.array([0.1, 0.9, 0.2, 0.8, 0.7, 0.9, 0.1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("highest slice", 0.9),
        ("mean of the 3 highest", 2.6 / 3),
        ("mean of the 5 highest", 3.5 / 5),
        ("mean of the 2 best neighbors", 0.8),
        ("mean of the 3 best neighbors", 0.8),
        ("mean of the 5 best neighbors", 0.7),
        ("noisy or", 1 - 0.9 * 0.1 * 0.8 * 0.2 * 0.3 * 0.1 * 0.9),
        ("mean of all slices", 3.7 / 7),
        ("share of slices called tumor", 4 / 7),
        ("outlined share of the volume", 0.02),
    ],
)
def test_rules(name, expected):
    rule, _ = patients.RULES[name]
    assert rule(TUMOR, np.full(7, 0.02), 3) == pytest.approx(expected)


def test_the_chosen_rule_is_that_of_the_studies():
    predictions = [ok("glioma", 1 - 3 * (1 - p) if p > 0.4 else 0.0)(np.zeros((4, 4))) for p in TUMOR]
    shares = np.array([1 - prediction.probabilities["notumor"] for prediction in predictions])
    study = summarize(predictions, Series(0, 7))
    assert study.tumor_probability == pytest.approx(patients.RULES[patients.CHOSEN][0](shares, shares, 3))


def test_area_under_curve():
    rows = [(True, 0.9), (True, 0.4), (False, 0.4), (False, 0.1)]
    assert patients.area_under_curve(rows) == (1 + 1 + 0.5 + 1) / 4


def test_figures(data, classifier):
    answers = asked(data, classifier)
    study = patients.study_figures(answers)
    assert (study["patients"], study["sensitivity"]["hits"], study["sensitivity"]["of"]) == (2, 4, 4)
    assert (study["specificity_pieces"]["hits"], study["specificity_pieces"]["of"]) == (4, 4)
    assert (study["specificity_heads"]["of"], study["auc"]["value"]) == (2, 1.0)
    assert {name: row["volumes"] for name, row in study["dice"].items()} == {"FLAIR": 2, "T1 post-contrast": 2}
    rules = patients.rule_figures(answers)
    assert rules[patients.CHOSEN]["sensitivity"] == study["sensitivity"]
    assert rules["mean of all slices"]["sensitivity"]["hits"] == 4
    json.dumps([study, rules], allow_nan=False)


def test_what_is_refused_altogether_is_no_tumor_and_no_specificity(data, classifier):
    classifier.answer = refused()
    study = patients.study_figures(asked(data, classifier))
    assert study["sensitivity"]["hits"] == study["specificity_pieces"]["hits"] == study["specificity_heads"]["hits"] == 0


def test_the_template_is_thinned(classifier):
    slices = [np.full((8, 8), 90, np.uint8)] * 11
    stack = patients.Stack("template", "MNI152", "1 mm", slices, None, (1.0, 1.0, 1.0))
    answers = patients.ask(classifier, stack)
    assert [(row["distance_mm"], row["slices"], row["label"]) for row in patients.template_figures(answers)] == [
        (1.0, 11, "notumor"), (3.0, 4, "notumor"), (5.0, 3, "notumor"),
    ]  # fmt: skip
    assert [len(call) for call in classifier.calls] == [11]


# --- the script


@pytest.fixture
def script(monkeypatch, classifier):
    functions = runpy.run_path(str(ROOT / "scripts" / "evaluate_patients.py"))
    place = functions["main"].__globals__
    monkeypatch.setattr(place["Classifier"], "load", lambda path: classifier)
    small = patients.Stack("template", "MNI152", "1 mm", [np.full((8, 8), 90, np.uint8)] * 11, None, (1.0, 1.0, 1.0))
    monkeypatch.setattr(patients, "template", lambda: small)
    return place


def test_the_script_prints_records_and_writes(script, data, tmp_path, capsys):
    facts, document = tmp_path / "model.json", tmp_path / "studies.md"
    facts.write_text('{"figures": {}}')
    document.write_text(f"above\n{script['START']}\nold\n{script['END']}\nbelow\n")
    script["DOCUMENT"] = document
    command = ["--data", str(data), "--record", "studies", "--record-in", str(facts), "--write"]
    assert script["main"](command) == 0
    printed = capsys.readouterr().out.strip()
    assert "| Tumor volumes called any tumor (sensitivity) | 100.0 % | 51.0 to 100.0 | 4 of 4 |" in printed
    assert "| a slice every 5 mm | 3 | 0 | notumor | 0.090 |" in printed
    assert "2 patients on some of which the network may have been trained" in printed
    assert json.loads(facts.read_text())["figures"]["studies"]["model"] == "fake-1"
    assert document.read_text() == f"above\n{script['START']}\n{printed}\n{script['END']}\nbelow\n"


def test_only_the_patients_on_the_side_asked_for(script, data, tmp_path, capsys):
    def item(path: str, source: str, patient: str = "") -> Item:
        return Item(path, source, "Extra", "glioma", patient=patient)

    lgg = [item(f"tcga_lgg/images/{f.name}", "tcga_lgg", f.name[:12]) for f in (data / "tcga_lgg" / "images").glob("*.jpg")]
    heads = [item(f"healthy_t1/{f.name}", "healthy_t1") for f in (data / "healthy_t1").glob("*.jpg")]
    save_manifest(lgg + heads, tmp_path / "manifest.csv")
    run = tmp_path / "run"
    unseen = [i for i in lgg if i.patient.endswith("2")]
    remember(run, {"validation": unseen, "train": [i for i in lgg if i not in unseen] + heads})
    command = ["--data", str(data), "--manifest", str(tmp_path / "manifest.csv"), "--run", str(run)]
    report = tmp_path / "report.json"
    assert script["main"]([*command, "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert (found["side"], found["study"]["patients"], found["study"]["specificity_heads"]["of"]) == ("validation", 1, 0)
    assert "1 patients which the network was not trained on, and which chose the rule" in capsys.readouterr().out
    assert script["main"]([*command, "--side", "held_out"]) == 1
    assert "Expected patients in" in capsys.readouterr().err


def test_the_document_quotes_model_json():
    functions = runpy.run_path(str(ROOT / "scripts" / "evaluate_patients.py"))
    info = json.loads((ROOT / "model" / "model.json").read_text())
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    quoted = text.split(functions["START"])[1].split(functions["END"])[0].strip()
    assert quoted == functions["markdown"](info["figures"])
