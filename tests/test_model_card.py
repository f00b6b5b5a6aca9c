"""The model card is what model.json says, and nothing that model.json does not."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INFO = json.loads((ROOT / "model" / "model.json").read_text())
card = runpy.run_path(str(ROOT / "scripts" / "model_card.py"))["card"]


def changed(**figures):
    info = json.loads(json.dumps(INFO))
    info["figures"] |= figures
    return info


def test_the_card_in_docs_is_what_the_script_writes():
    assert (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8") == card(INFO)


def test_it_names_the_file_that_is_served():
    text = card(INFO)
    assert f"`{INFO['sha256']}`" in text
    assert f"# Model card: EarlyMed {INFO['version']}" in text


@pytest.mark.parametrize(
    "heading", ["Intended use", "What it must not be used for", "Training data", "Performance", "Calibration"]
)
def test_it_has_the_headings_that_readers_look_for(heading):
    assert f"# {heading}" in card(INFO)


def test_every_figure_comes_from_model_json():
    testing = json.loads(json.dumps(INFO["figures"]["testing"]))
    testing["accuracy"] |= {"value": 0.1234, "hits": 162}
    testing["confusion"]["counts"] = [[9, 0, 0, 0, 0], [0, 9, 0, 0, 0], [0, 0, 9, 0, 77], [0, 0, 0, 9, 0]]
    text = card(changed(testing=testing))
    assert "| Accuracy | 12.3 % |" in text
    assert "- On Testing, 77 slices of no tumor were refused." in text
    assert "| No tumor | 0 | 0 | 9 | 0 | 77 |" in text


def test_groups_stand_with_the_source_that_was_held_out():
    share = {"value": 0.5, "low": 0.1, "high": 0.9, "hits": 1, "of": 2}
    group = {"slices": 2, "refused": 0, "refusal": share, "specificity": share}
    text = card(changed(held_out_healthy_t1={"groups": {"plane coronal": group}, "specificity": share, "refusal": share}))
    assert "| plane coronal, healthy_t1 held out | - | - | 50.0 % of 2 | 50.0 % of 2 | - |" in text


def test_corruptions_say_of_how_many_slices():
    share = {"value": 0.25, "low": 0.1, "high": 0.9, "hits": 82, "of": 328}
    row = {"accuracy": share, "refused": share, "confident_errors": share}
    text = card(changed(corruptions={"model": "1", "none": row, "jpeg_20": row}))
    assert "The Testing slices (each 4th of them, 328 in all), changed" in text
    assert "| jpeg 20 | 25.0 % | 25.0 % | 25.0 % |" in text
