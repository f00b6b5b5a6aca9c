"""The pages that explain: what an answer means, how it comes about, how often it is right, and what happens to an image."""

from flask import Blueprint, Response, abort, current_app, render_template

from model.gate import MIN_SIDE
from model.provenance import LEFT_OUT_OF_TRAINING, TWINS_IN_TESTING
from web import card
from web.pipeline import walk_of

content = Blueprint("content", __name__)


@content.get("/understanding")
def understanding() -> str:
    return render_template("pages/understanding.html", testing=testing(), sources=MEDICAL_SOURCES)


@content.get("/how-it-works")
def how() -> str:
    return render_template("pages/how.html", walk=walk_of(current_app), min_side=MIN_SIDE)


@content.get("/how-it-works/<name>.jpg")
def picture(name: str) -> Response:
    """A step of the pipeline, as the served model makes it."""
    found = walk_of(current_app).pictures.get(name) or abort(404)
    return Response(found.data, content_type="image/jpeg")


@content.get("/model-card")
def model_card() -> str:
    return render_template(
        "pages/model_card.html",
        card=card,
        info=facts(),
        testing=testing(),
        twins=TWINS_IN_TESTING,
        left_out=LEFT_OUT_OF_TRAINING,
        min_side=MIN_SIDE,
    )


@content.get("/privacy")
def privacy() -> str:
    return render_template("pages/privacy.html")


def facts() -> dict:
    """model.json of the served model."""
    return current_app.extensions["classifier"].info


def testing() -> dict:
    """Its figures on Testing; empty when there are none."""
    return facts().get("figures", {}).get("testing", {})


MEDICAL_SOURCES = (
    (
        "WHO",
        "WHO Classification of Tumours Editorial Board: Central Nervous System Tumours. WHO Classification of Tumours, "
        "5th edition, volume 6. International Agency for Research on Cancer, Lyon 2021",
        "https://publications.iarc.who.int/601",
    ),
    (
        "Louis",
        "Louis DN, Perry A, Wesseling P et al.: The 2021 WHO Classification of Tumors of the Central Nervous System: a "
        "summary. Neuro-Oncology 2021; 23(8): 1231-1251",
        "https://doi.org/10.1093/neuonc/noab106",
    ),
    (
        "NICE",
        "National Institute for Health and Care Excellence: Brain tumours (primary) and brain metastases in over 16s. "
        "NICE guideline NG99, 2018, updated 2021",
        "https://www.nice.org.uk/guidance/ng99",
    ),
    (
        "NCI-CNS",
        "National Cancer Institute: Adult Central Nervous System Tumors Treatment (PDQ), Patient Version",
        "https://www.cancer.gov/types/brain/patient/adult-brain-treatment-pdq",
    ),
    (
        "NCI-Pit",
        "National Cancer Institute: Pituitary Tumors Treatment (PDQ), Patient Version",
        "https://www.cancer.gov/types/pituitary/patient/pituitary-treatment-pdq",
    ),
    ("NHS", "National Health Service, United Kingdom: Brain tumours", "https://www.nhs.uk/conditions/brain-tumours/"),
    ("NHS-Stroke", "National Health Service, United Kingdom: Stroke", "https://www.nhs.uk/conditions/stroke/"),
    (
        "NHS-Seizure",
        "National Health Service, United Kingdom: What to do if someone has a seizure (fit)",
        "https://www.nhs.uk/conditions/what-to-do-if-someone-has-a-seizure-fit/",
    ),
)
"""(key, what it is called, address): the page links these, and asks none of them for anything."""
