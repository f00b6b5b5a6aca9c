import csv

import keras
import numpy as np
import pytest

from model.training import fit as fit_module
from model.training import recipe
from model.training.dataset import ANY_TUMOR, Item, assign, build_manifest
from model.training.fit import Arrays, TrainingBatches, ValidationBatches, admissible, fit, shares, smoke
from synthetic import write_tree

STAGES = (recipe.Stage("head", 64, 1, 1e-3, 5), recipe.Stage("all", 64, 2, 1e-4, 2))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def split(data):
    items = build_manifest(data, workers=1)
    return assign(items, "leakfree", seed=4)


def run(data, split, folder):
    keras.utils.set_random_seed(5)
    return fit(data, split["train"], split["validation"] or split["train"][:4], folder, None, 5, STAGES, samples=8)


def log(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_killed_run_resumes_and_ends_as_if_nothing_had_happened(data, split, tmp_path, monkeypatch):
    whole = run(data, split, tmp_path / "whole")

    class Killed(Exception):
        pass

    calls = []

    def killed_in_the_third_epoch(self, *args):
        calls.append(args)
        if len(calls) == 3:
            raise Killed
        original(self, *args)

    original = TrainingBatches.__init__
    monkeypatch.setattr(TrainingBatches, "__init__", killed_in_the_third_epoch)
    with pytest.raises(Killed):
        run(data, split, tmp_path / "killed")
    monkeypatch.undo()
    assert [r["stage"] for r in log(tmp_path / "killed")] == ["head", "all"]
    resumed = run(data, split, tmp_path / "killed")

    rows = log(tmp_path / "whole")
    assert [(r["stage"], r["epoch"]) for r in rows] == [("head", "1"), ("all", "1"), ("all", "2")]
    for row, expected in zip(log(tmp_path / "killed"), rows, strict=True):
        assert float(row["val_loss"]) == pytest.approx(float(expected["val_loss"]), rel=1e-3)
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        assert np.abs(a - b).max() < 1e-3

    again = run(data, split, tmp_path / "whole")  # a finished run has nothing left to do
    assert len(log(tmp_path / "whole")) == 3
    assert np.array_equal(again.get_weights()[0], whole.get_weights()[0])


def test_a_stage_that_stops_getting_better_ends_early_with_its_best_weights(data, split, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "PATIENCE", 1)
    losses = iter([2.0, 1.0, 1.5, 0.5])
    saved = []

    def fake_fit(self, *args, **kwargs):
        value = next(losses)
        layer = self.get_layer("class_hidden")
        layer.bias.assign(np.full(layer.bias.shape, value, np.float32))
        saved.append(value)
        return type("History", (), {"history": {"val_loss": [value]}})

    monkeypatch.setattr(keras.Model, "fit", fake_fit)
    monkeypatch.setattr(fit_module, "TrainingBatches", lambda *args: None)
    stages = (recipe.Stage("only", 64, 4, 1e-4, 2),)
    network = fit(data, split["train"][:4], split["train"][:2], tmp_path, None, 5, stages, samples=4)
    assert saved == [2.0, 1.0, 1.5]
    assert network.get_layer("class_hidden").bias[0] == 1.0


def test_shares_follow_the_recipe():
    items = [Item("", "kaggle", "Training", "glioma")] * 4 + [Item("", "healthy_t1", "Extra", "notumor")]
    drawn = shares(items)
    expected = recipe.SHARES["kaggle", "glioma"] / recipe.SHARES["healthy_t1", "notumor"]
    assert drawn.sum() == pytest.approx(1.0)
    assert drawn[:4].sum() / drawn[4] == pytest.approx(expected)
    assert sum(recipe.SHARES.values()) == pytest.approx(1.0)


def test_validation_weighs_sources_as_training_draws_them():
    items = [Item("", "kaggle", "Training", "glioma")] * 6 + [Item("", "healthy_t1", "Extra", "notumor")] * 2
    pixels = np.zeros((8, 64, 64), np.uint8)
    batches = ValidationBatches(Arrays(items, pixels, pixels, np.array([True] * 7 + [False])))
    _, _, weights = batches[0]
    assert weights["probabilities"].mean() == pytest.approx(1.0)
    assert weights["probabilities"][:6].sum() / weights["probabilities"][6:].sum() == pytest.approx(0.17 / 0.10)
    assert weights["mask"][7] == 0.0
    assert weights["mask"][6] == weights["probabilities"][6]


def test_admissible_classes():
    items = [Item("", "", "", label) for label in ("pituitary", ANY_TUMOR)]
    assert admissible(items).tolist() == [[0, 0, 0, 1], [1, 1, 0, 1]]


def test_smoke_keeps_every_stage_for_one_epoch():
    assert [(s.name, s.epochs) for s in smoke(recipe.STAGES)] == [("head", 1), ("coarse", 1), ("fine", 1)]
