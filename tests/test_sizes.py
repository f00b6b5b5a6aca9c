import keras
import numpy as np
import pytest

from model.training.arrays import Arrays
from model.training.dataset import Item
from model.training.network import build
from model.training.sizes import at_size, compared
from synthetic import head


class Sure:
    """A network that finds a tumor in the upper left quarter of every slice, and calls each what it is told."""

    def __init__(self, probabilities):
        self.probabilities = np.array(probabilities, np.float32)

    def predict_on_batch(self, images):
        mask = np.zeros((len(images), 8, 8, 1), np.float32)
        mask[:, :4, :4] = 0.9
        return {"probabilities": self.probabilities, "mask": mask, "features": np.zeros((len(images), 2))}


def test_network_at_another_size_has_the_same_weights():
    keras.utils.set_random_seed(2)
    network = build(64, None)
    image = head(1)[0].astype(np.float32)[None, :64, :64, None].repeat(3, axis=-1) / 255
    larger = at_size(network, 96)
    assert larger.input_shape == (None, 96, 96, 3)
    same = at_size(larger, 64)
    for name, expected in network.predict_on_batch(image).items():
        assert np.asarray(same.predict_on_batch(image)[name]) == pytest.approx(np.asarray(expected), abs=1e-5), name


def test_sources_and_classes_weigh_as_training_draws_them():
    """Two gliomas share 0.17, one meningioma 0.20; a tumor of unknown type, 0.10, may be any of the three."""
    labels = [("kaggle", "glioma"), ("kaggle", "glioma"), ("kaggle", "meningioma"), ("br35h_tumor", "tumor")]
    items = [Item(str(n), source, "Training", label) for n, (source, label) in enumerate(labels)]
    masks = np.zeros((4, 16, 16), np.uint8)
    masks[0, :8, :8] = masks[1, :8, :4] = 255
    arrays = Arrays(items, np.zeros((4, 16, 16), np.uint8), masks, np.array([True, True, True, False]))
    network = Sure([[0.8, 0.1, 0.1, 0], [0.2, 0.5, 0.3, 0], [0.1, 0.6, 0.3, 0], [0.25, 0.0, 0.25, 0.5]])
    total = 0.17 + 0.20 + 0.10
    report = compared(network, arrays)
    loss = -(0.085 * np.log(0.8) + 0.085 * np.log(0.2) + 0.20 * np.log(0.6) + 0.10 * np.log(0.75)) / total
    assert report["class_loss"] == pytest.approx(loss, rel=1e-5)
    # The last one's likeliest class is no answer to "which", but as good as any tumor.
    assert report["accuracy"] == pytest.approx((0.085 + 0.20 + 0.10) / total, rel=1e-5)
    assert report["dice"] == pytest.approx((1.0 + 2 * 8 / (16 + 8)) / 2, rel=1e-5)
