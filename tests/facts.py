"""The served model's facts, pages made of them, as they are or changed."""

import copy
import json
from pathlib import Path

from app import create_app
from fakes import FakeClassifier

INFO = json.loads((Path(__file__).parents[1] / "model" / "model.json").read_text())
SHARE = {"value": 0.25, "low": 0.125, "high": 0.5, "hits": 82, "of": 328}


def client_with(info: dict):
    fake = FakeClassifier()
    fake.info = info
    return create_app({"TESTING": True}, classifier=fake).test_client()


def changed(**figures) -> dict:
    info = copy.deepcopy(INFO)
    info["figures"] |= figures
    return info
