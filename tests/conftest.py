"""Fixtures: app -> client around a classifier with fixed answers, and the real classifier."""

import importlib.util
import os
import signal
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["EARLYMED_CACHE"] = "none"  # what tests start keeps nothing in the home of whoever runs them

from app import create_app
from fakes import FakeClassifier, picture
from reports import sendable
from spheres import outlining as outlined_by
from turns import turn

ROOT = Path(__file__).parents[1]
# A shell starts what runs in its background with Ctrl-C ignored, and the programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return sendable((yield))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def fake() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def outlining(fake):
    fake.answer = outlined_by("pituitary").answer
    return fake


@pytest.fixture
def app(fake):
    limits = {"MAX_CONTENT_LENGTH": 32 * 2**20, "MAX_FILES": 32}  # so that too much is soon sent
    return create_app({"TESTING": True} | limits, classifier=fake)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="session")
def classifier():
    """The real one, with the repository's weights; loaded once for all tests."""
    from model.classifier import Classifier

    return Classifier.load()


@pytest.fixture
def script(monkeypatch, fake):
    """scripts/predict.py as a module, around the classifier with fixed answers."""
    spec = importlib.util.spec_from_file_location("predict_script", ROOT / "scripts" / "predict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.Classifier, "load", lambda path, threads=None: fake)
    return module


@pytest.fixture
def folder(tmp_path) -> Path:
    """Nine readable files and an unreadable one."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for i in range(9):
        (folder / f"{i}.png").write_bytes(picture(seed=i))
    (folder / "9.txt").write_text("no image")
    return folder


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The folder of training data that trees.py makes."""
    from trees import write_tree

    return write_tree(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def manifest(tree):
    """Its items."""
    from model.training.dataset import build_manifest

    return build_manifest(tree)


@pytest.fixture(scope="session")
def network_file(tmp_path_factory) -> Path:
    """The network that training builds, of 64 pixels, with random weights, as it is exported."""
    import keras

    from model.training.export import save_half
    from model.training.network import build, with_gate

    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("network") / "model.h5"
    network = with_gate(build(64, None))
    for layer in network.layers:
        if layer.weights:  # random biases too
            layer.set_weights([w + np.random.default_rng(w.size).normal(0, 0.02, w.shape) for w in layer.get_weights()])
    save_half(network, path)
    return path


@pytest.fixture
def images() -> np.ndarray:
    """What it may be asked for."""
    return np.random.default_rng(1).random((5, 64, 64, 3), np.float32)
