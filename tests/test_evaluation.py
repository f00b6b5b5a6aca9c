import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest import approx

from model.labels import LABELS
from model.measured import found, share_row
from model.training.asking import Answers
from model.training.evaluation import calibration_error, figures, plots, proportion, resampled, table

ROOT = Path(__file__).parents[1]
NAN = float("nan")


def answers(truth, probabilities, uncertain=None, dice=None, outlined=None) -> Answers:
    n = len(truth)
    return Answers(
        np.array(truth),
        np.array(probabilities, float),
        np.array(uncertain or [False] * n),
        np.array(dice or [NAN] * n),
        np.array(outlined or [False] * n),
        [],
    )


def certain(index: int, p: float = 0.94) -> list[float]:
    row = [(1 - p) / 3] * 4
    row[index] = p
    return row


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(95, 100, 0.8882, 0.9785), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],  # published Wilson score intervals
)
def test_wilson_interval(hits, of, low, high):
    row = proportion(np.arange(of) < hits)
    assert row == {"value": hits / of, "low": approx(low, abs=5e-5), "high": approx(high, abs=5e-5), "hits": hits, "of": of}


def test_a_share_is_rounded_once():
    """852 of 942 are 90.446 %: 90.4 %, where 0.9045, rounded again, would be told as 90.5 %."""
    assert share_row("", proportion(np.arange(942) < 852)).value == "90.4 %"


def test_resampled_mean_has_the_interval_of_the_central_limit():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    row = resampled(np.mean, values)
    assert row["value"] == pytest.approx(values.mean(), abs=1e-4)
    assert (row["low"], row["high"]) == pytest.approx((values.mean() - 0.196, values.mean() + 0.196), abs=0.03)
    assert resampled(np.mean, values) == row  # the same each time


def test_sensitivity_at_a_specificity_counts_a_refusal_as_a_wrong_answer():
    """20 healthy slices, p(notumor) from 0.99 down to 0.04; 4 tumors, the last of unknown type, the third refused."""
    healthy = [certain(2, p) for p in np.linspace(0.99, 0.04, 20)]
    tumors = [certain(2, 0.02), certain(2, 0.12), [NAN] * 4, certain(2, 0.50)]
    report = figures(answers([2] * 20 + [0, 1, 3, -1], healthy + tumors))
    found = [report[f"sensitivity_at_specificity_{level}"] for level in (90, 95)]
    assert [(row["hits"], row["of"]) for row in found] == [(2, 4), (1, 4)]
    healthy[:2] = [[NAN] * 4] * 2  # a tenth refused: 90 % only with everything else called healthy, 95 % never
    refused = figures(answers([2] * 20 + [0], [*healthy, certain(0, 1.0)]))
    assert [refused[f"sensitivity_at_specificity_{level}"]["hits"] for level in (90, 95)] == [1, 0]
    assert "sensitivity at spec. 90 %" in table(report)


def test_proportion_of_nothing():
    assert proportion(np.array([], bool))["value"] is None


@pytest.fixture
def report():
    """Two of each class; a meningioma called glioma, a pituitary tumor refused, a glioma confidently called notumor."""
    truth = [0, 0, 1, 1, 2, 2, 3, 3]
    rows = [certain(0), certain(2), certain(1), certain(0, 0.6), certain(2), certain(2), certain(3), [NAN] * 4]
    uncertain, outlined = [False] * 3 + [True] + [False] * 4, [True] * 5 + [False] * 3
    return figures(answers(truth, rows, uncertain, [0.8, 0.6] + [NAN] * 6, outlined))


def test_accuracy_counts_a_refusal_as_wrong(report):
    assert (report["accuracy"]["hits"], report["accuracy"]["of"]) == (5, 8)
    assert (report["accuracy_when_certain"]["hits"], report["accuracy_when_certain"]["of"]) == (5, 6)
    assert (report["refused"], report["uncertain"], report["slices"]) == (1, 1, 8)


def test_per_class_figures(report):
    glioma = report["classes"]["glioma"]
    assert (glioma["precision"], glioma["recall"], glioma["f1"]) == (0.5, 0.5, 0.5)
    assert glioma["accuracy"]["value"] == 0.5
    notumor = report["classes"]["notumor"]
    assert (notumor["precision"], notumor["recall"]) == (0.6667, 1.0)
    assert report["classes"]["pituitary"]["recall"] == 0.5


def test_confusion_has_a_column_for_refusals(report):
    assert report["confusion"]["columns"] == [*LABELS, "refused"]
    assert report["confusion"]["counts"] == [[1, 0, 1, 0, 0], [1, 1, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 0, 1, 1]]


def test_tumor_figures(report):
    assert (report["tumor_sensitivity"]["hits"], report["tumor_sensitivity"]["of"]) == (4, 6)  # missed one, refused one
    assert (report["tumors_confidently_missed"]["hits"], report["specificity"]["value"]) == (1, 1.0)
    assert (report["healthy_outlined"]["hits"], report["healthy_outlined"]["of"]) == (1, 2)
    assert report["dice"] == {"value": 0.7, "low": 0.6, "high": 0.8, "slices": 2}
    assert report["dice_by_class"] == {"glioma": report["dice"]}


def test_tumors_of_unknown_type_count_for_sensitivity_only():
    report = figures(answers([-1, -1, -1], [certain(0), certain(3), certain(2, 0.5)]))
    assert report["tumor_sensitivity"]["hits"] == 2
    assert report["tumors_confidently_missed"]["hits"] == 0
    assert "accuracy" not in report and "classes" not in report


def test_auc_of_a_perfect_and_a_reversed_order():
    truth = [0, 0, 2, 2]
    rows = [certain(0, 0.9), certain(0, 0.8), certain(2, 0.7), certain(2, 0.9)]
    assert figures(answers(truth, rows))["auc"] == {"glioma": 1.0, "meningioma": None, "notumor": 1.0, "pituitary": None}
    assert figures(answers([2, 2, 0, 0], rows))["auc"]["glioma"] == 0.0


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    rows = np.array([certain(0, 0.9)] * 10)
    assert calibration_error(np.array([0] * 9 + [1]), rows) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(np.array([0] * 5 + [1] * 5), rows) == pytest.approx(0.4)


def test_report_keeps_the_curves_of_its_plots(report):
    assert report["calibration_bins"] == [[1, 0.6, 0.0], [6, 0.94, 0.8333]]
    truth = [0, 0, 0, 0, 2, 2, 2, 2]
    rows = [certain(0, p) for p in (0.9, 0.8, 0.7, 0.3)] + [certain(0, p) for p in (0.75, 0.6, 0.5, 0.4)]
    curves = figures(answers(truth, rows))["roc"]
    assert list(curves["sensitivity"]) == ["glioma", "notumor"]  # there is none of the others
    points = dict(zip(curves["false_positive_rate"], curves["sensitivity"]["glioma"], strict=True))
    assert (points[0.0], points[0.2], points[0.3], points[0.5], points[1.0]) == (0.5, 0.5, 0.75, 0.75, 1.0)


def test_table_has_the_columns_of_the_original_readme(report):
    lines = table(report).splitlines()
    assert lines[0].split() == ["Class", "Label", "Accuracy", "(%)", "Precision", "Recall", "F1-Score", "AUC", "n"]
    assert lines[3].split()[:5] == ["No", "tumor", "100.0%", "0.667", "1.000"]
    assert any(line.startswith("accuracy  ") and "62.50 %" in line and "5 of 8" in line for line in lines)


def test_plots_are_pictures(report, tmp_path):
    truth = [0, 0, 1, 1, 2, 2, 3, 3]
    given = answers(truth, [certain(t) for t in truth])
    paths = plots(given, figures(given), tmp_path)
    assert [p.name for p in paths] == ["confusion.png", "roc.png", "calibration.png"]
    assert all(Image.open(p).size[0] > 400 and np.asarray(Image.open(p)).std() > 10 for p in paths)


def test_figures_when_all_is_refused(tmp_path):
    given = answers([0, 2], [[NAN] * 4] * 2)
    report = figures(given)
    assert report["calibration_error"] == {"value": None, "low": None, "high": None}
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert "calibration error" not in table(report)
    assert len(plots(given, report, tmp_path)) == 3
    assert found({"figures": {"testing": {"calibration_error": report["calibration_error"]}}}) == []


def test_plots_of_one_class_say_nothing(tmp_path):
    given = answers([0, 0], [certain(0), certain(2)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(plots(given, figures(given), tmp_path)) == 3


def test_figures_by_group():
    given = answers([0, 0, 2, -1], [certain(0), certain(2), certain(2), [NAN] * 4], dice=[0.8, 0.2, NAN, NAN])
    given.groups = [("source a", "plane axial"), ("source b", "plane axial"), ("source b",), ("source b",)]
    groups = figures(given)["groups"]
    assert list(groups) == ["source a", "plane axial", "source b"]
    assert (groups["source a"]["accuracy"]["hits"], groups["source a"]["dice"]) == (
        1,
        {"value": 0.8, "low": 0.8, "high": 0.8, "slices": 1},
    )
    assert (groups["plane axial"]["dice"]["value"], groups["plane axial"]["dice"]["slices"]) == (0.5, 2)
    of_b = groups["source b"]
    assert (of_b["slices"], of_b["refused"], of_b["accuracy"]["hits"], of_b["accuracy"]["of"]) == (3, 1, 1, 2)
    assert (of_b["tumor_sensitivity"]["hits"], of_b["tumor_sensitivity"]["of"]) == (0, 2)  # one missed, one refused
    assert of_b["specificity"]["value"] == 1.0
    line = next(line for line in table(figures(given)).splitlines() if line.startswith("source b"))
    assert line == (
        "source b: accuracy 50.00 % of 2, sensitivity 0.00 % of 2, specificity 100.00 % of 1, Dice 0.2000 of 1, refused 1 of 3"
    )


def test_script_on_the_sample_slices(tmp_path):
    """The real model, the real script: table on the terminal, JSON, plots."""
    for sample in (ROOT / "tests" / "samples").glob("*.jpg"):
        label = sample.name.split("_")[0]
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / label / sample.name).write_bytes(sample.read_bytes())
    command = [sys.executable, "scripts/evaluate.py", "--data", tmp_path / "data", "--json", tmp_path / "out" / "r.json"]
    done = subprocess.run([*command, "--plots", tmp_path / "plots"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "r.json").read_text())
    assert report["accuracy"]["of"] == 12
    assert report["accuracy"]["hits"] >= 11
    assert f"{report['accuracy']['hits']} of 12" in done.stdout
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == ["calibration.png", "confusion.png", "roc.png"]
    missing = subprocess.run([*command[:3], tmp_path / "nowhere"], capture_output=True, text=True, cwd=ROOT)
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith("evaluate.py: Expected images in folders named")
