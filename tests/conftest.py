"""Fixtures: app -> client around a classifier with fixed answers, and the real classifier."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from app import create_app
from fakes import FakeClassifier


@pytest.fixture
def fake() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def app(fake):
    return create_app({"TESTING": True}, classifier=fake)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="session")
def classifier():
    """The real one, with the repository's weights; loaded once for all tests."""
    from model.classifier import Classifier

    return Classifier.load()
