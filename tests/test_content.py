"""The pages that explain: they say what model.json and the served model say, and nothing else."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from answers import text_of
from app import create_app
from facts import INFO, SHARE, changed, client_with
from fakes import FakeClassifier, ok, refused
from model.explanation import draw_outline, view
from model.preprocessing import preprocess
from web import pipeline
from web.content import MEDICAL_SOURCES

ROOT = Path(__file__).parents[1]
PAGES = {
    "/understanding": "Understanding your results",
    "/how-it-works": "How it works",
    "/model-card": "Model card",
    "/privacy": "Privacy",
}


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


def test_the_card_tells_what_is_doubtful_where_the_model_does():
    text = text_of(client_with(INFO | {"gate": {"threshold": 3.0, "doubtful": 2.0}}).get("/model-card").text)
    assert "at 1.5 times that squared distance it is refused" in text
    assert "squared distance" not in text_of(client_with(INFO | {"gate": {"threshold": 3.0}}).get("/model-card").text)


def test_level_and_counts_are_those_of_model_json():
    testing = INFO["figures"]["testing"] | {"tumor_sensitivity": SHARE, "specificity": SHARE | {"hits": 77}}
    text = text_of(client_with(changed(testing=testing) | {"uncertain_below": 0.67}).get("/understanding").text)
    assert "The highest probability is below 67%." in text and "So is one for a picture that is unlike nearly all" in text
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


# --- privacy


def test_files_that_privacy_names_are_there(client):
    codes = re.findall(r"<code>(.*?)</code>", client.get("/privacy").text)
    files = [name for code in codes for name in re.sub(r" \(.*?\)", "", code).split(", ")]
    assert len(files) >= 8
    assert [name for name in files if not (ROOT / name).exists()] == []
