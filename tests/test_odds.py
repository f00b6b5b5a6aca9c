"""How weights of the outline are compared, on answers made here."""

import numpy as np
import pytest

from model.training.dataset import Item, assign, build_manifest
from model.training.export import counts
from model.training.odds import compare, split_of
from synthetic import write_tree


def of(label: str, n: int, source: str = "kaggle") -> list[Item]:
    return [Item("", source, "Training", label)] * n


def told(odds: np.ndarray, outline: np.ndarray) -> dict[str, np.ndarray]:
    """A class head's and an outline's answers with these log-odds of a tumor, a glioma always."""
    no = 1 / (1 + np.exp(odds))
    probabilities = np.stack([1 - no, 0 * no, no, 0 * no], axis=1)
    return {"probabilities": probabilities, "mask": np.ones((len(no), 8, 8)) / (1 + np.exp(-outline))[:, None, None]}


@pytest.fixture(scope="module")
def report() -> dict[float, dict]:
    """The class head knows the validation slices and guesses on the held-out ones; the outline does the contrary."""
    rng = np.random.default_rng(1)
    tumor = np.arange(200) < 100
    sign = np.where(tumor, 1.0, -1.0)
    noise = rng.normal(0.0, 2.0, (2, 200))
    given = {"validation": told(sign * 2 + noise[0] / 2, noise[1]), "held_out": told(noise[0], sign * 2 + noise[1] / 2)}
    sides = {
        "validation": of("glioma", 100) + of("notumor", 100),
        "held_out": of("tumor", 100, "br35h_tumor") + of("notumor", 100, "healthy_t1"),
    }
    return {weight: compare(given, sides, weight) for weight in (0.0, 2.0)}


def test_without_weight_the_class_head_alone_is_measured(report):
    assert report[0.0]["validation"]["accuracy"] > 0.95
    assert report[0.0]["held_out"]["auc"] == pytest.approx(0.5, abs=0.1)


def test_with_weight_held_out_sources_gain_and_known_ones_lose(report):
    known, unseen = ([report[w][side] for w in (0.0, 2.0)] for side in ("validation", "held_out"))
    assert known[1]["accuracy"] < known[0]["accuracy"] - 0.05
    assert known[1]["auc"] < known[0]["auc"] - 0.05
    assert unseen[1]["auc"] > unseen[0]["auc"] + 0.3
    assert unseen[1]["sensitivity_at_specificity_90"] > 0.5 > 0.3 > unseen[0]["sensitivity_at_specificity_90"]
    assert unseen[1]["missed"] < unseen[0]["missed"]


def test_the_offset_that_known_slices_show_is_taken_back_on_all():
    """A network that sees tumors too easily, by 2 in log-odds: it would call one healthy slice in four healthy."""
    tumor = np.arange(200) < 100
    odds = np.where(tumor, 1.5, -1.5) + np.tile(np.linspace(-3.0, 3.0, 100), 2)
    given = {name: told(odds + 2.0, 0 * odds) for name in ("validation", "held_out")}
    sides = {name: of("glioma", 100) + of("notumor", 100) for name in given}
    for row in compare(given, sides, 0.25).values():
        assert row["sensitivity"] == pytest.approx(0.75, abs=0.03)
        assert row["specificity"] == pytest.approx(0.75, abs=0.03)


def test_slices_of_a_source_weigh_together_what_training_draws_of_it():
    """Of four sources of healthy and tumor slices one of each is wrong; what that costs is its source's share of the draws."""
    items = of("glioma", 6) + of("glioma", 2, "tcga_lgg") + of("notumor", 3) + of("notumor", 9, "healthy_t1")
    odds = np.array([4.0] * 6 + [-4.0] * 2 + [4.0] * 3 + [-4.0] * 9)
    row = compare({"validation": told(odds, 0 * odds)}, {"validation": items}, 0.5)["validation"]
    assert row["sensitivity"] == pytest.approx(0.17 / 0.25)
    assert row["specificity"] == pytest.approx(0.10 / 0.27)
    assert row["accuracy"] == pytest.approx((0.17 + 0.10) / 0.52)


def test_a_split_is_told_again_from_what_model_json_says_of_it(tmp_path):
    items = build_manifest(write_tree(tmp_path), workers=1)
    split = assign(items, "official", 3, [])
    training = {"protocol": "official", "seed": 3, "held_out_sources": [], "slices": counts(split)}
    assert split_of(training, items) == split
    with pytest.raises(ValueError, match="Expected the slices of that training"):
        split_of(training, items[1:])
