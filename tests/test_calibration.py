"""What is fitted on validation slices: how sure an answer sounds, and when it is uncertain."""

import numpy as np
import pytest

from model.classifier import calibrate
from model.labels import LABELS, NOTUMOR
from model.training.calibration import calibration, fit_offset, fit_temperature, risk_threshold
from model.training.dataset import Item
from model.tumor_odds import weigh


def test_temperature_is_recovered():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2.0, size=(20000, 4))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (rng.random((20000, 1)) > true.cumsum(axis=1)).sum(axis=1)
    overconfident = calibrate(true, 1 / 2.5)
    assert fit_temperature(overconfident, truth) == pytest.approx(2.5, rel=0.05)


def test_risk_threshold_keeps_the_accepted_answers_right():
    confidence = np.linspace(0.4, 1.0, 601)
    probabilities = np.stack([confidence, *[(1 - confidence) / 3] * 3], axis=1)
    truth = np.where(confidence < 0.7, 1, 0)  # every answer below 0.7 is wrong
    threshold = risk_threshold(probabilities, truth, 0.02)
    accepted = confidence >= threshold
    assert 0.68 <= threshold <= 0.70
    assert (truth[accepted] != 0).mean() <= 0.02
    assert risk_threshold(probabilities, np.ones_like(truth), 0.02) == 0.99


def test_the_temperature_is_fitted_after_the_outline_had_its_say():
    """The class head is twice too sure. An outline that says nothing leaves it so, one that agrees adds to it."""
    rng = np.random.default_rng(3)
    odds = rng.normal(0.0, 2.0, 4000)
    tumor = rng.random(4000) < 1 / (1 + np.exp(-odds))
    probabilities = np.zeros((4000, 4))
    probabilities[:, NOTUMOR] = 1 / (1 + np.exp(2 * odds))
    probabilities[:, 0] = 1.0 - probabilities[:, NOTUMOR]
    items = [Item("", "kaggle", "Training", "glioma" if t else "notumor") for t in tumor]
    silent = np.full((4000, 10, 10), 0.5)
    agreeing = np.ones((4000, 10, 10)) / (1 + np.exp(-2 * np.clip(odds, -3, 3)))[:, None, None]

    alone, both = calibration(probabilities, silent, items, 0.5), calibration(probabilities, agreeing, items, 0.5)
    assert alone["temperature"] == pytest.approx(2.0, rel=0.1)
    assert both["temperature"] == pytest.approx(3.0, rel=0.1)
    assert abs(alone["tumor_offset"]) < 0.3 and abs(both["tumor_offset"]) < 0.3
    assert alone["outline_weight"] == both["outline_weight"] == 0.5
    answers = calibrate(weigh(probabilities, agreeing, 0.5), both["temperature"])
    sure = answers.max(axis=1) >= both["uncertain_below"]
    assert (answers.argmax(axis=1) != np.where(tumor, LABELS.index("glioma"), NOTUMOR))[sure].mean() <= 0.02


def test_an_offset_that_the_network_has_is_taken_back_as_training_weighs_the_sources(monkeypatch):
    """It sees tumors too easily, by 0.8 in log-odds; that there are four times as many healthy slices is no reason."""
    monkeypatch.setattr("model.training.recipe.SHARES", {("kaggle", "glioma"): 0.5, ("kaggle", "notumor"): 0.5})
    rng = np.random.default_rng(4)
    odds = rng.normal(0.0, 2.0, 30000)
    tumor = rng.random(30000) < 1 / (1 + np.exp(-odds))
    rows = np.concatenate([np.arange(30000), *[np.flatnonzero(~tumor)] * 3])
    probabilities = np.zeros((len(rows), 4))
    probabilities[:, NOTUMOR] = 1 / (1 + np.exp(odds[rows] + 0.8))
    probabilities[:, 0] = 1.0 - probabilities[:, NOTUMOR]
    items = [Item("", "kaggle", "Training", "glioma" if t else "notumor") for t in tumor[rows]]
    assert fit_offset(probabilities, items) == pytest.approx(-0.8, abs=0.1)
    outline = np.full((len(rows), 1, 1), 1 / (1 + np.exp(-1.5)))  # what it says too much, a third of 1.5, is taken back, too
    assert calibration(probabilities, outline, items, 1 / 3)["tumor_offset"] == pytest.approx(-0.8 - 0.5, abs=0.1)


def test_slices_that_do_not_tell_give_no_offset():
    sure = np.array([[0.9, 0.0, 0.1, 0.0], [0.8, 0.0, 0.2, 0.0], [0.1, 0.0, 0.9, 0.0]])
    glioma, none = Item("", "kaggle", "Training", "glioma"), Item("", "kaggle", "Training", "notumor")
    assert fit_offset(sure, [glioma] * 3) == fit_offset(sure, [none] * 3) == 0.0
    assert fit_offset(sure, [none, none, glioma]) == 0.0  # the wrong way round


def test_a_few_slices_cannot_silence_the_network():
    """All that tells them apart is whether a tumor is sure or surer: even is far above even odds."""
    no = 1 / (1 + np.exp(np.array([6.0, 5.5, 4.0, 3.5])))
    probabilities = np.stack([1 - no, 0 * no, no, 0 * no], axis=1)
    items = [Item("", "kaggle", "Training", label) for label in ("glioma", "glioma", "notumor", "notumor")]
    assert fit_offset(probabilities, items) == -2.0


def test_tumors_of_unknown_type_play_no_part_in_the_temperature():
    probabilities = np.tile([0.7, 0.1, 0.1, 0.1], (20, 1))
    items = [Item("", "kaggle", "Training", "glioma")] * 10 + [Item("", "br35h_tumor", "Extra", "tumor")] * 10
    masks = np.full((20, 10, 10), 0.5)
    assert calibration(probabilities, masks, items) == calibration(probabilities[:10], masks[:10], items[:10])
