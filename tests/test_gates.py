import keras
import numpy as np
import pytest
from PIL import Image

from model.training.gates import LAYERS, POOLINGS, compare, energy, mahalanobis, nearest, outside_arrays, pooled, threshold
from model.training.network import build
from synthetic import head

RNG = np.random.default_rng(3)


def test_energy_is_low_where_one_logit_is_high():
    assert energy(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]])) == pytest.approx([-np.log(4), -9.00037], abs=1e-4)


def test_mahalanobis_of_the_training_slices_is_about_one_and_grows_with_the_square():
    train = RNG.normal([5, -3, 0], [1, 4, 2], (4000, 3)).astype(np.float32)
    score = mahalanobis(train, 3)
    assert score(train).mean() == pytest.approx(1.0, abs=0.02)
    far = score(np.array([[5, -3 + 4 * 9, 0], [5, -3 + 4 * 18, 0]], np.float32))
    assert far == pytest.approx([27, 108], rel=0.05)


def test_nearest_is_the_fifth_neighbour_among_directions():
    train = np.repeat(np.array([[1.0, 0.0]], np.float32), 5, axis=0)
    assert nearest(train)(np.array([[7.0, 0.0], [0.0, 2.0]], np.float32)) == pytest.approx([0.0, np.sqrt(2)], abs=1e-6)


def test_threshold_leaves_one_percent_out_and_slackens_only_distances():
    scores = np.arange(1001) / 1000
    assert threshold(scores, 1.25) == pytest.approx(1.25 * 0.99)
    assert threshold(scores - 2.0, 1.25) == pytest.approx(-1.01)


def test_compare_refuses_what_is_far_and_not_what_is_near():
    names = [f"{layer} {pooling}" for layer in LAYERS for pooling in POOLINGS] + ["logits"]

    def sample(mean):
        return {name: RNG.normal(mean, 1, (300, 40)).astype(np.float32) for name in names}

    report = compare(sample(3), sample(3), {"near": sample(3), "far": sample(-3)})
    assert all(row["near"] <= 0.05 for row in report.values())
    assert all(row["far"] >= 0.99 for row in report.values())
    assert sum(name.startswith("Mahalanobis") for name in report) == 16
    assert len(report) == 25


def test_pooled_features_are_the_means_of_a_layer():
    keras.utils.set_random_seed(2)
    network = build(64, None)
    images = np.stack([head(n)[0][:64, :64] for n in range(3)]).astype(np.uint8)
    features = pooled(network, images, batch=2)
    channels = {"block2_conv2": 128, "block3_conv3": 256, "block4_conv3": 512, "block5_conv3": 512}
    shapes = {f"{layer} {pooling}": (3, n) for layer, n in channels.items() for pooling in POOLINGS}
    assert {k: v.shape for k, v in features.items()} == shapes | {"logits": (3, 4)}
    expected = network.predict_on_batch(images[..., None].repeat(3, -1).astype(np.float32) / 255)
    assert features["block3_conv3 deviation"] == pytest.approx(np.asarray(expected["features"]), abs=1e-5)


def test_outside_images_that_a_look_refuses_are_left_out(tmp_path):
    for kind, name, colour in (("photos", "red", (255, 0, 0)), ("scans", "grey", None)):
        (tmp_path / kind).mkdir()
        image = Image.new("RGB", (64, 64), colour) if colour else Image.fromarray(head(1)[0])
        image.save(tmp_path / kind / f"{name}.png")
    (tmp_path / "scans" / "broken.png").write_bytes(b"no image")
    found = outside_arrays(tmp_path, 64)
    assert {kind: (a.shape, a.dtype.name) for kind, a in found.items()} == {"scans": ((1, 64, 64), "uint8")}


def test_deviation_is_half_the_mean_absolute_deviation():
    keras.utils.set_random_seed(2)
    network = build(64, None)
    x = np.stack([head(1)[0][:64, :64]]).astype(np.uint8)
    maps = keras.Model(network.input, network.get_layer("block3_conv3").output).predict_on_batch(
        x[..., None].repeat(3, -1) / 255
    )
    expected = np.abs(maps - maps.mean(axis=(1, 2), keepdims=True)).mean(axis=(1, 2)) / 2
    assert pooled(network, x)["block3_conv3 deviation"] == pytest.approx(expected, rel=1e-3, abs=1e-6)
