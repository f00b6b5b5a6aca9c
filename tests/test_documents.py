"""What the documents say of the model is what model.json and the file itself say."""

import json
import re
import runpy
from pathlib import Path

import pytest

from model.delivery import check, read_saved_model_txt
from test_golden import GOLDEN

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for folders in ("*.md", "[!.]*/*.md", "[!.]*/[!.]*/*.md")  # no deeper: what is installed there is not the project's
    for path in ROOT.glob(folders)
    if path.parent.name != "templates"  # its links are those of what is made of it
)
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
    shown = re.findall(r"^    tests/samples/(\S+) +0  (\w+) +([\d.]+)(  uncertain(?:\..*)?)?$", text, re.M)
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


def anchors(path: Path) -> set[str]:
    """Where links into a document lead, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(path: Path) -> list[str]:
    """The links of a document to a file that is not there, or to a heading that its document has not."""
    links = re.findall(r"\]\(<?([^)<>]+)>?\)", path.read_text(encoding="utf-8"))
    found = []
    for link in links:
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_of_a_document_leads_somewhere(document):
    assert broken(ROOT / document) == []


def test_broken_links_are_found(tmp_path):
    (tmp_path / "b c.md").write_text("## Where a page's time goes\n")
    (tmp_path / "a.md").write_text(
        "# One\n[1](gone.md) [2](<b c.md>) [3](<b c.md#where-a-pages-time-goes>) [4](<b c.md#gone>)\n"
        "[5](#one) [6](#two) [7](https://x.org/y#z)\n"
    )
    assert broken(tmp_path / "a.md") == ["gone.md", "b c.md#gone", "#two"]
