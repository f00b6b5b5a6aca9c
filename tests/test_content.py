"""The pages that explain: they say what model.json and the served model say, and nothing else."""

import copy
import io
import json
import re
import runpy
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from app import create_app
from fakes import FakeClassifier, ok, refused
from model import measured
from model.explanation import draw_outline, view
from model.labels import LABELS
from model.preprocessing import preprocess
from model.provenance import SOURCES, slices_of
from web import card, pipeline
from web.card_words import COLLECTIONS, FIGURES
from web.content import MEDICAL_SOURCES

ROOT = Path(__file__).parents[1]
INFO = json.loads((ROOT / "model" / "model.json").read_text())
PAGES = {
    "/understanding": "Understanding your results",
    "/how-it-works": "How it works",
    "/model-card": "Model card",
    "/privacy": "Privacy",
}
SHARE = {"value": 0.25, "low": 0.125, "high": 0.5, "hits": 82, "of": 328}


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)).split())


def client_with(info: dict):
    fake = FakeClassifier()
    fake.info = info
    return create_app({"TESTING": True}, classifier=fake).test_client()


def changed(**figures) -> dict:
    info = copy.deepcopy(INFO)
    info["figures"] |= figures
    return info


@pytest.mark.parametrize(("address", "title"), PAGES.items())
def test_pages_are_there_and_linked(client, address, title):
    response = client.get(address)
    assert response.status_code == 200
    assert f"<title>{title} \N{EN DASH} EarlyMed</title>" in response.text
    assert response.text.count("<h1>") == 1 and f"<h1>{title}</h1>" in response.text
    assert f'<a href="{address}">{title}</a>' in client.get("/").text
    assert f'<a href="{address}" aria-current="page">' in response.text


@pytest.mark.parametrize("address", PAGES)
def test_nothing_on_a_page_is_loaded_from_elsewhere(client, address):
    html = client.get(address).text
    assert re.findall(r'(?:src|srcset|data)="(?!/)[^"]*"', html) == []
    assert re.findall(r'<link[^>]*href="(?!/)[^"]*"', html) == []
    assert "<script>" not in html and " style=" not in html and " on" not in re.findall(r"<button[^>]*>", html)


# --- understanding


def test_every_class_and_word_is_explained(client):
    text = text_of(client.get("/understanding").text)
    for word in ("Glioma", "Meningioma", "Pituitary tumor", "No tumor", "Probabilities", "“Uncertain”", "“Not analyzed”"):
        assert word in text
    for word in ("The outline", "The evidence map", "What to do next", "Questions you can take to your physician"):
        assert word in text


def test_every_citation_has_its_source(client):
    html = client.get("/understanding").text
    cited = set(re.findall(r'href="#source-([\w-]+)"', html))
    assert cited == {key for key, _, _ in MEDICAL_SOURCES}
    for key, _, address in MEDICAL_SOURCES:
        assert f'<li id="source-{key}">' in html
        assert f'href="{address}" rel="noreferrer"' in html


def test_level_and_counts_are_those_of_model_json():
    testing = INFO["figures"]["testing"] | {"tumor_sensitivity": SHARE, "specificity": SHARE | {"hits": 77}}
    text = text_of(client_with(changed(testing=testing) | {"uncertain_below": 0.67}).get("/understanding").text)
    assert "The highest probability is below 67%." in text
    assert "it called 82 of 328 slices with a tumor" in text and "and 77 of 328 slices without" in text


def test_without_figures_no_figure_is_claimed(client):
    assert "When it was checked" not in client.get("/understanding").text


# --- how it works


def jpeg(response) -> Image.Image:
    assert response.content_type == "image/jpeg"
    return Image.open(io.BytesIO(response.data))


def test_pictures_are_what_the_projects_functions_make(client, fake):
    fake.answer = ok("meningioma", tumor=True)
    html = client.get("/how-it-works").text
    pixels = pipeline.pixels_of("meningioma.jpg")
    prepared, frame = preprocess(pixels, fake.info["input_size"])
    expected = {
        "original": Image.fromarray(pixels),
        "cropped": Image.fromarray(frame.crop(pixels)),
        "prepared": Image.fromarray((prepared * 255).astype("uint8")),
        "outline": draw_outline(view(pixels), ok("meningioma", tumor=True)(pixels).mask),
    }
    for name, image in expected.items():
        shown = jpeg(client.get(f"/how-it-works/{name}.jpg"))
        image.thumbnail((pipeline.SIDE, pipeline.SIDE), Image.LANCZOS)
        assert shown.size == image.size
        assert f'width="{shown.width}" height="{shown.height}"' in html
        mean = sum(ImageChops.difference(shown.convert("L"), image.convert("L")).histogram()[30:])
        assert mean < 0.02 * shown.width * shown.height  # but for JPEG's losses
    assert max(jpeg(client.get("/how-it-works/prepared.jpg")).size) == fake.info["input_size"]


def test_pictures_belong_to_the_served_model(client, fake):
    fake.answer = ok("meningioma", 0.91, tumor=True)
    text = text_of(client.get("/how-it-works").text)
    assert "Meningioma91.0%" in text.replace(" ", "") or "Meningioma 91.0%" in text
    evidence = client.get("/how-it-works/evidence.jpg").data
    other = FakeClassifier()
    other.answer = ok("glioma", 0.8, tumor=True)  # does not know the meningioma, but the glioma
    there = create_app({"TESTING": True}, classifier=other).test_client()
    assert "(Glioma, in the words of its collection)" in text_of(there.get("/how-it-works").text)
    assert there.get("/how-it-works/evidence.jpg").data != evidence


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("outline_weight", "the evidence and the outline say together"), ("tumor_offset", "is taken off before the answer")],
)
def test_what_else_has_a_part_in_the_answer_is_told_where_it_has(client, fake, key, sentence):
    assert sentence not in text_of(client.get("/how-it-works").text)
    fake.info[key] = -0.5
    assert sentence in text_of(client.get("/how-it-works").text)


def test_the_model_is_asked_once(client, fake):
    fake.answer = ok("meningioma", tumor=True)
    client.get("/how-it-works")
    asked = len(fake.calls)
    assert asked == 2  # the sample, and the letter
    client.get("/how-it-works")
    client.get("/how-it-works/outline.jpg")
    assert len(fake.calls) == asked


def test_a_model_that_knows_no_sample_is_told_as_it_is(client, fake):
    fake.answer = ok("notumor", 0.4, uncertain=True)
    text = text_of(client.get("/how-it-works").text)
    assert "Here it found none." in text and "It is called uncertain" in text
    fake.answer = refused()
    other = create_app({"TESTING": True}, classifier=fake).test_client()
    assert "This model does not answer to this sample." in text_of(other.get("/how-it-works").text)
    assert other.get("/how-it-works/evidence.jpg").status_code == 404


def test_refusals_that_are_shown_are_real(client, fake):
    fake.answer = ok("meningioma", tumor=True)  # takes even the letter for a brain
    html = client.get("/how-it-works").text
    assert "/how-it-works/other.jpg" not in html
    assert "The image is in color (" in html and "/how-it-works/colored.jpg" in html


def test_letter_is_refused_by_the_model(classifier):
    walk = pipeline.walk(classifier)
    assert set(walk.refusals) == {"other", "colored"}
    assert "does not look like the brain MRI slices" in walk.refusals["other"]
    assert walk.prediction.status == "ok" and walk.prediction.tumor
    assert {"original", "cropped", "prepared", "evidence", "outline"} <= set(walk.pictures)


@pytest.mark.parametrize("name", ["nothing", "..%2fmeningioma", "original.png"])
def test_there_are_no_other_pictures(client, name):
    assert client.get(f"/how-it-works/{name}.jpg").status_code == 404


# --- model card


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


# --- privacy


def test_files_that_privacy_names_are_there(client):
    codes = re.findall(r"<code>(.*?)</code>", client.get("/privacy").text)
    files = [name for code in codes for name in re.sub(r" \(.*?\)", "", code).split(", ")]
    assert len(files) >= 8
    assert [name for name in files if not (ROOT / name).exists()] == []
