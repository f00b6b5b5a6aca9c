"""What the documents say of the model is what model.json and the file itself say."""

import json
import re
import runpy
from pathlib import Path

import pytest

from model.delivery import check, read_saved_model_txt
from test_golden import GOLDEN

ROOT = Path(__file__).parents[1]
INFO = json.loads((ROOT / "model" / "model.json").read_text())


def test_readme_quotes_the_figures_of_model_json():
    figures = runpy.run_path(str(ROOT / "scripts" / "figures.py"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    quoted = text.split(figures["START"])[1].split(figures["END"])[0].strip()
    assert quoted == figures["markdown"](INFO)
    assert f"| {INFO['figures']['testing']['accuracy']['hits']} of 1311 |" in quoted


def test_readme_shows_what_predict_prints():
    """Its lines for the samples are those of the golden table."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^    tests/samples/(\S+) +(\w+) +([\d.]+)( +uncertain)?$", text, re.M)
    assert {n: (label, float(p), bool(u)) for n, label, p, u in shown} == GOLDEN


def test_figures_change_with_model_json():
    figures = runpy.run_path(str(ROOT / "scripts" / "figures.py"))
    changed = json.loads(json.dumps(INFO))
    changed["figures"]["testing"]["accuracy"] |= {"value": 0.5, "hits": 655}
    assert "| Accuracy | 50.0 % |" in figures["markdown"](changed)
    assert figures["markdown"](changed) != figures["markdown"](INFO)


def test_version_one_keeps_its_floor():
    """85 % on the 1311 Testing images, trained without their twins."""
    testing = INFO["figures"]["testing"]
    assert INFO["training"]["protocol"] == "leakfree"
    assert testing["accuracy"]["of"] == testing["slices"] == 1311
    assert testing["accuracy"]["value"] >= 0.85


def test_saved_model_txt_describes_the_file():
    described = read_saved_model_txt(ROOT / "Saved Model.txt")["model.h5"]
    assert (described.size, described.sha256) == (INFO["size"], INFO["sha256"])
    check(ROOT / described.path, described)


@pytest.mark.parametrize("document", ["README.md", "docs/training.md", "docs/settings.md"])
def test_every_file_that_a_document_links_is_there(document):
    path = ROOT / document
    links = re.findall(r"\]\(<?([^)#:<>]+)>?\)", path.read_text(encoding="utf-8"))
    assert links or document == "docs/settings.md"
    assert [link for link in links if not (path.parent / link).exists()] == []
