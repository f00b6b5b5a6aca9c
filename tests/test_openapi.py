"""The OpenAPI document: that it is made from the code, and that schemathesis finds no answer that it does not describe."""

from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app import create_app
from fakes import FakeClassifier, ok, pages, picture, refused
from model.labels import LABELS
from model.overlay import OPACITY
from model.prediction import error_record, unread_record
from model.reading import NotMR
from model.records import Answered, Refused, Unreadable
from web.errors import CODES
from web.openapi import schema_of

# Bytes for `file`, and how each is answered by PREDICT and by the addresses of pictures.
ANSWERED = {
    "readable": (picture(), 200, 200),
    "another format": (picture("JPEG"), 200, 200),
    "refused by the classifier below": (picture(channels=3), 200, 422),
    "several slices": (pages(3), 200, 200),
    "damaged": (picture()[:80], 422, 422),
    "a letter": (b"this is a letter", 415, 415),
    "a PDF": (b"%PDF-1.7", 415, 415),
    "no bytes": (b"", 400, 400),
}
FILES = tuple(data for data, *_ in ANSWERED.values())

PREDICT, PICTURES = "/api/v1/predict", ("/api/v1/overlay", "/api/v1/mask")
SEVERAL = (PREDICT, "/api/v1/mask")  # files in one request

load_all_checks()
schemathesis.openapi.media_type("application/octet-stream", st.sampled_from(FILES) | st.binary(max_size=200))


def classifier() -> FakeClassifier:
    """Refuses what has colors."""
    fake = FakeClassifier()
    fake.answer = lambda pixels: (refused() if pixels.ndim == 3 else ok(tumor=True))(pixels)
    return fake


api = schemathesis.openapi.from_wsgi("/api/openapi.json", create_app({"TESTING": True}, classifier=classifier()))


@api.parametrize()
@hypothesis_settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(case):
    """No 5xx, no status, media type, header or body that is not described, no invalid parameter that is accepted."""
    if case.path in SEVERAL and isinstance(case.body, dict) and isinstance(case.body.get("file"), bytes):
        case.body["file"] = [case.body["file"], FILES[0]][: 1 + len(case.body["file"]) % 2]  # here several are allowed
    response = case.call()
    # That a file is of a format that is read cannot be said in a schema: valid requests may be answered 415 or 422.
    case.validate_response(response, excluded_checks=[positive_data_acceptance])


@pytest.mark.parametrize("path", [PREDICT, *PICTURES])
@pytest.mark.parametrize("kind", ANSWERED)
def test_every_kind_of_file_is_answered_as_the_document_says(path, kind):
    """The examples above are drawn at random, and need not reach every kind of answer."""
    data, of_predict, of_pictures = ANSWERED[kind]
    case = api[path]["POST"].Case(body={"file": [data] if path in SEVERAL else data}, media_type="multipart/form-data")
    response = case.call()
    assert response.status_code == (of_predict if path == PREDICT else of_pictures)
    case.validate_response(response, excluded_checks=[positive_data_acceptance])


@pytest.fixture
def document(client) -> dict:
    return client.get("/api/openapi.json").get_json()


def test_lists_exactly_the_routes_that_exist(app, document):
    assert document["openapi"] == "3.1.0"
    listed = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    routes = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") or rule.rule == "/healthz"
    }
    assert listed == routes
    assert ("/api/v1/overlay", "POST") in listed


def test_every_operation_is_described(document):
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert all(operation["summary"].endswith(".") for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) == 6


def test_predict_in_full(document):
    operation = document["paths"]["/api/v1/predict"]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert form["properties"]["file"]["type"] == "array"
    answers = operation["responses"]["200"]["content"]
    references = [f"#/components/schemas/{name}" for name in ("Answered", "Refused", "Unreadable", "Records")]
    assert [one["$ref"] for one in answers["application/json"]["schema"]["oneOf"]] == references
    assert answers["text/csv"]["schema"] == {"type": "string"}
    assert set(operation["responses"]) == {"200", "400", "406", "413", "415", "422", "500", "503"}
    assert operation["responses"]["503"]["headers"]["Retry-After"]["schema"] == {"type": "integer"}


def test_parameters_of_the_overlay(document):
    parameters = {p["name"]: p["schema"] for p in document["paths"]["/api/v1/overlay"]["post"]["parameters"]}
    assert parameters == {
        "slice": {"type": "integer", "minimum": 0, "default": 0},
        "label": {"type": "string", "enum": list(LABELS)},
        "outline": {"type": "boolean", "default": True},
        "evidence": {"type": "boolean", "default": True},
        "opacity": {"type": "number", "minimum": 0, "maximum": 1, "default": OPACITY},
    }


def test_every_error_code_is_named(document):
    responses = document["paths"]["/api/v1/overlay"]["post"]["responses"]
    for status, codes in CODES.items():
        for code in codes:
            assert f"`{code}`: " in responses[str(status)]["description"]


def test_every_error_code_stands_in_the_documents():
    text = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")
    for status, codes in CODES.items():
        rows = [line for line in text.splitlines() if line.startswith(f"| {status} | `")]
        assert [code for code in codes if not any(f"`{code}`" in row for row in rows)] == []


def record_of(answer, file: str = "a.png", entry: str = "") -> dict:
    return answer(np.zeros((12, 16), np.uint8)).record(file, 0, "1", entry)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (record_of(ok(tumor=True)), Answered),
        (record_of(ok(uncertain=True, reason="This looks like CT.")), Answered),
        (record_of(refused()), Refused),
        (record_of(refused(), "a.zip", "a.png"), Refused),
        (unread_record("a.dcm", NotMR("Expected an MR image."), "1"), Refused),
        (error_record("a.png", "unreadable", "1"), Unreadable),
    ],
)
def test_records_have_the_keys_that_are_described(document, record, kind):
    schema = document["components"]["schemas"][kind.__name__]
    optional = {"entry", "notes", "reason"} if kind is Answered else {"entry", "notes"}
    assert schema["required"] == [key for key in schema["properties"] if key not in optional]
    assert set(schema["required"]) == record.keys() - optional and record.keys() <= schema["properties"].keys()
    assert schema["properties"]["status"]["enum"] == [record["status"]]


class Pair(TypedDict):
    """Two of them."""

    left: int
    right: NotRequired[str]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (dict, {"type": "object"}),
        (None.__class__, {"type": "null"}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (int | None, {"oneOf": [{"type": "integer"}, {"type": "null"}]}),
        (Annotated[int, {"minimum": 1}], {"type": "integer", "minimum": 1}),
        (list[Pair], {"type": "array", "items": {"$ref": "#/components/schemas/Pair"}}),
    ],
)
def test_schema_of(kind, schema):
    assert schema_of(kind, {}) == schema


def test_a_typed_dict_becomes_a_component():
    schemas = {}
    assert schema_of(Pair, schemas) == {"$ref": "#/components/schemas/Pair"}
    assert schemas == {
        "Pair": {
            "description": "Two of them.",
            "type": "object",
            "required": ["left"],
            "properties": {"left": {"type": "integer"}, "right": {"type": "string"}},
        }
    }


@pytest.mark.parametrize("kind", [bytes, Any, object, tuple[int, int]])
def test_a_type_that_json_has_not(kind):
    with pytest.raises(TypeError, match=r"^Expected a type that JSON has\. Received: "):
        schema_of(kind, {})
