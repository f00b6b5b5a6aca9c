import csv
import json
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow
from keras import layers

from model.training import fit as fit_module
from model.training import recipe
from model.training.batches import TrainingBatches
from model.training.dataset import assign, build_manifest
from model.training.fit import fit, history, smoke
from synthetic import write_tree

pytestmark = pytest.mark.filterwarnings("ignore:.*does not apply to tf.data functions")
STAGES = (recipe.Stage("head", 64, 1, 1e-3, 5), recipe.Stage("all", 64, 2, 1e-4, 2))


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """The loop is tested here, not VGG16, which would take minutes: a network of a few weights with the same outputs."""

    def build(size, weights):
        slices = keras.Input((size, size, 3))
        x = layers.Conv2D(4, 3, 2, "same", activation="relu", name="block1_conv1")(slices)
        mask = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="mask")(x)
        x = layers.Conv2D(4, 3, 2, "same", activation="relu", name="block3_conv1")(x)
        x = layers.SpatialDropout2D(0.3)(layers.Dense(8, activation="relu", name="class_hidden")(x))
        logits = layers.GlobalAveragePooling2D()(layers.Dense(4)(x))
        return keras.Model(slices, {"probabilities": layers.Softmax(dtype="float32")(logits), "mask": mask})

    monkeypatch.setattr(fit_module, "build", build)
    tensorflow.config.run_functions_eagerly(True)  # a graph of a step takes longer to make than the few steps there are
    yield
    tensorflow.config.run_functions_eagerly(False)


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

    told = history(tmp_path / "whole")
    assert [(r["stage"], r["epoch"]) for r in told] == [("head", 1), ("all", 1), ("all", 2)]
    assert [r["val_loss"] for r in told] == [float(r["val_loss"]) for r in rows]

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


def test_a_branch_starts_from_the_weights_of_another_run(data, split, tmp_path, monkeypatch):
    first = run(data, split, tmp_path / "first")
    monkeypatch.setattr(keras.Model, "fit", lambda self, *a, **k: type("History", (), {"history": {"val_loss": [1.0]}}))
    sides = split["train"][:4], split["train"][:4]
    branch = fit(data, *sides, tmp_path / "branch", None, 6, STAGES[1:], 4, start=[tmp_path / "first" / "all.weights.h5"])
    for a, b in zip(first.get_weights(), branch.get_weights(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # nothing was optimized: `fit` is replaced
def test_a_stage_begins_with_the_mean_of_stages_before_it_wherever_they_were_trained(data, split, tmp_path, monkeypatch):
    run(data, split, tmp_path / "first")

    def moved(self, *args, **kwargs):
        self.set_weights([w + 1.0 for w in self.get_weights()])
        return type("History", (), {"history": {"val_loss": [1.0]}})

    monkeypatch.setattr(keras.Model, "fit", moved)
    sides = split["train"][:4], split["train"][:4]
    stages = (recipe.Stage("fine", 64, 1, 1e-4, 2), recipe.Stage("widen", 64, 1, 1e-4, 2, mean_of=("head", "fine")))
    start = [tmp_path / "first" / f"{name}.weights.h5" for name in ("head", "all")]
    ended = fit(data, *sides, tmp_path / "second", None, 6, stages, 4, start=start)

    def weights(folder, name):
        other = keras.models.clone_model(ended)
        other.load_weights(tmp_path / folder / f"{name}.weights.h5")
        return other.get_weights()

    head, whole = weights("first", "head"), weights("first", "all")
    fine = weights("second", "fine")
    for h, w, f, e in zip(head, whole, fine, ended.get_weights(), strict=True):
        assert np.allclose(f, (h + w) / 2 + 1.0, atol=1e-6)
        assert np.allclose(e, (h + f) / 2 + 1.0, atol=1e-6)
    with pytest.raises(FileNotFoundError, match=r"whose mean widen begins with. Missing: \['head'\]"):
        fit(data, *sides, tmp_path / "third", None, 6, stages, 4)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # nothing was optimized: `fit` is replaced
def test_a_stage_may_end_with_the_mean_of_its_last_epochs_and_a_killed_one_counts_none_twice(
    data, split, tmp_path, monkeypatch
):
    class Killed(Exception):
        pass

    biases = iter([8.0, 1.0, 2.0, 2.0, 6.0])  # the epoch that was killed before its state was kept is done once more

    def fake_fit(self, *args, **kwargs):
        layer = self.get_layer("class_hidden")
        layer.bias.assign(np.full(layer.bias.shape, next(biases), np.float32))
        return type("History", (), {"history": {"val_loss": [1.0]}})

    def killed_in_the_third_epoch(*args):
        if args[2]["epoch"] == 3:
            raise Killed
        save(*args)

    save = fit_module._save
    monkeypatch.setattr(keras.Model, "fit", fake_fit)
    monkeypatch.setattr(fit_module, "_save", killed_in_the_third_epoch)
    monkeypatch.setattr(fit_module, "TrainingBatches", lambda *args: None)
    stages = (recipe.Stage("only", 64, 4, 1e-4, 2, mean_from=2),)
    arguments = data, split["train"][:4], split["train"][:2], tmp_path, None, 5, stages, 4
    with pytest.raises(Killed):
        fit(*arguments)
    monkeypatch.setattr(fit_module, "_save", save)
    network = fit(*arguments)
    assert network.get_layer("class_hidden").bias[0] == 3.0  # of 1, 2 and 6, not of the best, the first
    network.get_layer("class_hidden").bias.assign(np.zeros(8, np.float32))
    network.load_weights(tmp_path / "only.weights.h5")
    assert network.get_layer("class_hidden").bias[0] == 3.0
    assert fit(*arguments).get_layer("class_hidden").bias[0] == 3.0  # a finished run has nothing left to do


@pytest.mark.parametrize("mean_from, last", ((0, 0.01), (1, 1.0)))
def test_a_stage_lowers_its_rate_or_holds_it_for_a_mean(mean_from, last):
    stage = recipe.Stage("only", 64, 2, 1e-3, 2, mean_from=mean_from)
    rate = fit_module._start(stage, None, None, 50, []).optimizer._learning_rate
    rates = [float(rate(step)) / 1e-3 for step in (0, 10, 100)]
    assert rates == pytest.approx([0.05, 1.0, last])


def test_smoke_keeps_every_stage_for_one_epoch():
    assert [(s.name, s.epochs) for s in smoke(recipe.STAGES)] == [
        ("head", 1),
        ("base", 1),
        ("fine", 1),
        ("polish", 1),
        ("settle", 1),
        ("widen", 1),
        ("sharpness", 1),
        ("contrast", 1),
    ]


def test_what_is_exported_is_half_of_the_last_stage_half_as_it_was_before():
    exported = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "train.py"))["exported"]
    run, other = Path("runs/one"), [Path("runs/base/base.weights.h5"), Path("runs/other/model.h5")]
    files = [file.name for file in exported(run, [s.name for s in recipe.STAGES], None)]
    names = ("polish", "settle", *["widen"] * 2, *["sharpness"] * 4, *["contrast"] * 8)
    assert files == [f"{name}.weights.h5" for name in names]
    assert exported(run, ["contrast"], other) == [other[1]] * 8 + [Path("runs/one/contrast.weights.h5")] * 8
    assert exported(run, ["head", "base"], None) == []


def test_a_branch_names_the_stages_before_it_and_what_they_held_out(tmp_path):
    training_of = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "train.py"))["training_of"]
    stages = [{"name": "head", "held_out": ["br35h_tumor"]}, {"name": "base"}]
    training = {"held_out_sources": ["healthy_t1"], "stages": stages, "history": [{"epoch": 1}]}
    (tmp_path / "model.json").write_text(json.dumps({"training": training}))
    assert training_of(tmp_path)["stages"] == [
        {"name": "head", "held_out": ["br35h_tumor"]},
        {"name": "base", "held_out": ["healthy_t1"]},
    ]
    assert training_of(tmp_path)["history"] == [{"epoch": 1}]
