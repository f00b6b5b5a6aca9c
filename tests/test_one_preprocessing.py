"""Training, evaluation and serving see the same pixels because they call the same function."""

import numpy as np
import pytest
from PIL import Image

from fakes import INFO, fake_network
from model import classifier, preprocessing
from model.classifier import Classifier
from model.training import asking, dataset
from model.training.dataset import Item
from synthetic import head


@pytest.fixture
def slice_file(tmp_path):
    """A slice with margins and a window that preprocessing must undo."""
    pixels = np.zeros((140, 120), np.uint8)
    pixels[20:116, 12:108] = head(7)[0] // 3
    (tmp_path / "glioma").mkdir()
    Image.fromarray(pixels).save(tmp_path / "glioma" / "a.png")
    return tmp_path / "glioma" / "a.png"


def test_training_evaluation_and_serving_feed_the_network_the_same_pixels(slice_file):
    pixels = np.asarray(Image.open(slice_file))
    expected = preprocessing.preprocess(pixels, 64)[0]
    assert np.abs(expected - np.asarray(Image.fromarray(pixels).resize((64, 64))) / 255.0).mean() > 0.1  # it does something

    served = fake_network([1, 0, 0, 0])
    Classifier(served, INFO).predict([pixels])
    assert np.array_equal(served.batches[0][0, ..., 0], expected)

    evaluated = fake_network([1, 0, 0, 0])
    asking.ask(Classifier(evaluated, INFO), asking.find_cases(slice_file.parents[1]))
    assert np.array_equal(evaluated.batches[0][0, ..., 0], expected)

    item = Item("glioma/a.png", "kaggle", "Training", "glioma")
    trained, _, _ = dataset._load(slice_file.parents[1], item, 64)
    assert np.abs(trained / 255.0 - expected).max() <= 0.5 / 255 + 1e-6  # kept as 8 bits


@pytest.mark.parametrize("room", [classifier, dataset])
def test_nobody_has_a_preprocessing_of_its_own(room):
    assert room.preprocess is preprocessing.preprocess
    assert not hasattr(asking, "preprocess")  # evaluation asks the classifier


def test_a_change_of_the_function_reaches_training_and_serving(slice_file, monkeypatch):
    def darker(pixels, size, aspect=1):
        image, frame = preprocessing.preprocess(pixels, size, aspect)
        return image * 0.5, frame

    monkeypatch.setattr(classifier, "preprocess", darker)
    monkeypatch.setattr(dataset, "preprocess", darker)
    served = fake_network([1, 0, 0, 0])
    Classifier(served, INFO).predict([np.asarray(Image.open(slice_file))])
    item = Item("glioma/a.png", "kaggle", "Training", "glioma")
    trained, _, _ = dataset._load(slice_file.parents[1], item, 64)
    assert served.batches[0].max() == pytest.approx(0.5)
    assert trained.max() == 128
