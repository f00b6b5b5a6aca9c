"""The page with the model card: every figure is model.json's, in plain words, and only what was measured is told."""

import re
import runpy
from pathlib import Path

import pytest

from answers import text_of
from facts import INFO, SHARE, changed, client_with
from model import measured
from model.labels import LABELS
from model.provenance import SOURCES, slices_of
from web import card
from web.card_words import COLLECTIONS, FIGURES

ROOT = Path(__file__).parents[1]


def test_figures_are_those_of_model_json():
    html = client_with(INFO).get("/model-card").text
    testing = INFO["figures"]["testing"]
    accuracy = testing["accuracy"]
    row = next(row for row in html.split("<tr ") if f'rowheader">{FIGURES["Accuracy"]}</th>' in row)
    assert f'<td role="cell" data-label="Value">{100 * accuracy["value"]:.1f}%</td>' in row
    assert f"{100 * accuracy['low']:.1f}% to {100 * accuracy['high']:.1f}%" in row
    assert f"{accuracy['hits']:,} of {accuracy['of']:,}" in row
    assert f'x="{100 * accuracy["low"]:.1f}"' in row
    for label in LABELS:
        assert f'data-label="Precision">{testing["classes"][label]["precision"]:.3f}</td>' in html
        assert f'data-label="AUC">{testing["auc"][label]:.4f}</td>' in html
    for count in {count for row in testing["confusion"]["counts"] for count in row}:
        assert re.search(rf'<td class="dark-\d">{count:,}</td>', html)
    assert INFO["sha256"] in html and INFO["version"] in html


def test_figures_change_with_model_json():
    testing = INFO["figures"]["testing"] | {"accuracy": SHARE}
    html = client_with(changed(testing=testing)).get("/model-card").text
    assert "82 of 328" in html and "12.5% to 50.0%" in html
    assert f"{INFO['figures']['testing']['accuracy']['hits']:,} of" not in text_of(html).split("Each class")[0]


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "of its 54,321 testing images have a twin among the training images"),
        ("es", "de sus 54.321 imágenes de prueba tienen una gemela entre las de entrenamiento"),
    ],
)
def test_the_number_of_testing_slices_is_that_of_model_json(language, sentence):
    info = changed(testing=INFO["figures"]["testing"] | {"slices": 54321})
    html = client_with(info).get("/model-card", headers={"Accept-Language": language}).text
    assert sentence in text_of(html)


def test_studies_are_called_unmeasured_only_while_they_are():
    said = "Whole studies have not been measured"
    unmeasured = changed()
    unmeasured["figures"].pop("studies", None)
    assert said in client_with(unmeasured).get("/model-card").text
    assert said not in client_with(changed(studies={"model": INFO["version"]})).get("/model-card").text


def test_no_text_of_the_page_holds_a_measured_figure():
    """They are written by the templates from model.json; a text with one would outlive the model."""
    texts = runpy.run_path(str(ROOT / "scripts" / "translations.py"))["collected"]()
    numbers = {number for text in texts for number in re.findall(r"\d[\d.,]*\d", str(text.id))}
    known = {
        "127.0.0.1",
        "256",
        "1409.1556",
        "1706.04599",
        "2025",
        "99.5",
        "2000",
    }  # address, SHA-256, papers, year, percentile, JPEG 2000
    assert {number for number in numbers if sum(map(str.isdigit, number)) > 2} - {"100"} == known


def test_every_figure_and_collection_has_its_plain_words():
    names = {name for _, _, name, _ in measured.SHARES} | {measured.CALIBRATION, measured.DICE, measured.DICE_FLAIR}
    assert set(FIGURES) == names
    assert set(COLLECTIONS) == set(SOURCES)


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_card_names_nothing_by_its_key(language):
    text = text_of(client_with(INFO).get("/model-card", headers={"Accept-Language": language}).text)
    assert re.findall(r"\b[a-z]+\d*[a-z]*_\w+", text) == []
    assert [key for key in SOURCES if re.search(rf"\b{key}\b", text)] == []
    assert "p ≥" not in text and "held-out" not in text


def test_collections_have_their_figures_below_the_right_heads():
    html = client_with(INFO).get("/model-card").text
    slices = INFO["training"]["slices"]
    for key, name in COLLECTIONS.items():
        row = next(row for row in html.split("<tr ") if f'rowheader">{name}</th>' in row)
        cells = dict(re.findall(r'data-label="([^"]+)">([^<]*)</td>', row))
        assert cells["License"] == SOURCES[key].license
        assert cells["Trained on"] == f"{slices_of(slices['train'], key):,}"
        assert cells["Validated on"] == f"{slices_of(slices['validation'], key):,}"


def test_groups_stand_together():
    names = [name for name, _ in card.groups(INFO)]
    kinds = [name.split(":")[0] for name in names if "trained without" not in name]
    assert list(dict.fromkeys(kinds)) == ["Collection", "Sequence", "Plane"]
    assert kinds == sorted(kinds, key=["Collection", "Sequence", "Plane"].index)
    assert all("trained without" in name for name in names[len(kinds) :])


def test_a_card_without_figures_has_no_empty_tables(client):
    html = client.get("/model-card").text  # the fake's model.json has none
    for heading in ("How good is it?", "Each class", "What is taken for what", "By collection", "When the picture is poor"):
        assert heading not in html
    assert html.count("<table") == 0
    assert "0" * 64 in html


HEALTHY = "Collection: BRISC 2025, healthy heads (a network trained without it)"


def test_everything_that_can_be_measured_has_its_place():
    dice = {"value": 0.5, "low": 0.4, "high": 0.6, "slices": 9}
    group = {"slices": 328, "refused": 0, "refusal": SHARE, "specificity": SHARE, "dice": dice}
    row = {"accuracy": SHARE, "refused": SHARE, "confident_errors": SHARE}
    testing = INFO["figures"]["testing"] | {
        "calibration_bins": [[10, 0.9, 0.8]],
        "roc": {"false_positive_rate": [0.0, 1.0], "sensitivity": {"glioma": [0.75, 1.0]}},
    }
    figures = {
        "testing": testing,
        "validation": {"groups": {"plane coronal": group, "sequence FLAIR": group, "odd one": group}},
        "held_out_healthy_t1": {"specificity": SHARE, "refusal": SHARE, "groups": {"source healthy_t1": group}},
        "corruptions": {"model": "1", "none": row, "jpeg_20": row, "a_new_one": row},
    }
    info = changed(**figures)
    info["training"]["slices"]["train"]["brand_new/glioma"] = 12
    html = client_with(info).get("/model-card").text
    text = text_of(html)
    for name in ("Plane: coronal", "Sequence: FLAIR", "odd: one", HEALTHY):
        assert name in text
    assert "25.0% (328)" in text and "0.500 (9)" in text
    assert "Strong JPEG compression" in text and "a new one" in text
    assert "“Trained without it” means" in text
    assert "brand_new" in text
    assert '<polyline class="curve curve-1" points="90.00,20.00 "/>' in html
    assert 'points="0.00,25.00 100.00,0.00 "' in html
    assert "Accuracy against confidence: 90 → 80." in html


def test_mistakes_are_told_the_commonest_first(app):
    confusion = {"rows": list(LABELS), "columns": [*LABELS, "refused"], "counts": [[9, 0, 0, 0, 0]] * 4}
    confusion["counts"] = [[9, 0, 0, 0, 0], [0, 9, 0, 0, 0], [8, 0, 9, 0, 77], [0, 0, 0, 9, 0]]
    with app.test_request_context():
        assert card.mistakes({"figures": {"testing": {"confusion": confusion}}}) == [
            "77 slices of the class “No tumor” were refused.",
            "8 slices of the class “No tumor” were called “Glioma”.",
        ]


@pytest.mark.parametrize(
    ("count", "of", "dark"), [(0, 100, 0), (1, 100, 1), (3, 100, 2), (11, 100, 3), (51, 100, 4), (0, 0, 0)]
)
def test_darkness(count, of, dark):
    assert card.darkness(count, of) == dark
