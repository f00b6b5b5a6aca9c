import keras
import numpy as np
import pytest
from PIL import Image

from model.training.gates import (
    LAYERS,
    POOLINGS,
    compare,
    energy,
    joined,
    leading,
    nearest,
    outside_arrays,
    pooled,
    shrunk,
    threshold,
)
from model.training.network import build
from synthetic import head

RNG = np.random.default_rng(3)


def test_energy_is_low_where_one_logit_is_high():
    assert energy(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]])) == pytest.approx([-np.log(4), -9.00037], abs=1e-4)


@pytest.mark.parametrize("fit", [shrunk, lambda *arguments: leading(*arguments, 3)], ids=["shrunk", "leading"])
def test_mahalanobis_of_the_training_slices_is_about_one_and_grows_with_the_square(fit):
    train = {"a": RNG.normal([5, -3, 0], [1, 4, 2], (4000, 3)).astype(np.float32)}
    score = fit(("a",), False, train)
    assert score(train).mean() == pytest.approx(1.0, abs=0.02)
    far = score({"a": np.array([[5, -3 + 4 * 9, 0], [5, -3 + 4 * 18, 0]], np.float32)})
    assert far == pytest.approx([27, 108], rel=0.05)


def test_joined_features_stand_side_by_side_each_of_unit_length():
    features = {"a": np.array([[3.0, 4.0]], np.float32), "b": np.array([[0.0, 7.0, 0.0]], np.float32)}
    assert joined(features, ("a", "b"), unit=False).tolist() == [[3, 4, 0, 7, 0]]
    assert joined(features, ("b", "a"), unit=True) == pytest.approx(np.array([[0, 1, 0, 0.6, 0.8]]))


def test_nearest_is_the_fifth_neighbor_among_directions():
    train = {"a": np.repeat(np.array([[1.0, 0.0]], np.float32), 5, axis=0)}
    score = nearest(("a",), train)
    assert score({"a": np.array([[7.0, 0.0], [0.0, 2.0]], np.float32)}) == pytest.approx([0.0, np.sqrt(2)], abs=1e-6)


def test_threshold_leaves_one_percent_out_and_slackens_only_distances():
    scores = np.arange(1001) / 1000
    assert threshold(scores, 1.25) == pytest.approx(1.25 * 0.99)
    assert threshold(scores - 2.0, 1.25) == pytest.approx(-1.01)


def test_compare_refuses_what_is_far_and_not_what_is_near():
    names = [f"{layer} {pooling}" for layer in LAYERS for pooling in POOLINGS] + ["logits"]

    def sample(mean):
        return {name: RNG.normal(mean, 1, (300, 30)).astype(np.float32) for name in names}

    report = compare(sample(3), sample(3), {"near": sample(3), "far": sample(-3)})
    assert all(row["near"] <= 0.05 for row in report.values())
    assert all(row["far"] >= 0.99 for row in report.values())
    assert sum(name.startswith("Mahalanobis") for name in report) == 40
    assert len(report) == 51


def test_pooled_features_are_the_means_of_a_layer():
    keras.utils.set_random_seed(2)
    network = build(64, None)
    images = np.stack([head(n)[0][:64, :64] for n in range(3)]).astype(np.uint8)
    features = pooled(network, images, batch=2)
    channels = {"block2_conv2": 128, "block3_conv3": 256, "block4_conv3": 512, "block5_conv3": 512}
    shapes = {f"{layer} {pooling}": (3, n) for layer, n in channels.items() for pooling in POOLINGS}
    assert {k: v.shape for k, v in features.items()} == shapes | {"logits": (3, 4)}
    served = network.predict_on_batch(images[..., None].repeat(3, -1).astype(np.float32) / 255)["features"]
    names = "block3_conv3 deviation", "block4_conv3 deviation"
    assert joined(features, names, unit=True) == pytest.approx(np.asarray(served), abs=1e-5)


def test_outside_images_that_a_look_refuses_are_left_out(tmp_path):
    gray = Image.fromarray(head(1)[0])
    green = Image.merge("RGB", (Image.new("L", gray.size), gray, Image.new("L", gray.size)))
    for kind, image in (("walls", Image.new("RGB", (64, 64), (255, 0, 0))), ("scans", gray), ("green", green)):
        (tmp_path / kind).mkdir()
        image.save(tmp_path / kind / "image.png")
    (tmp_path / "scans" / "broken.png").write_bytes(b"no image")
    found = outside_arrays(tmp_path, 64)
    assert {kind: (a.shape, a.dtype.name) for kind, a in found.items()} == dict.fromkeys(
        ("green", "scans"), ((1, 64, 64), "uint8")
    )
    assert np.abs(found["green"].astype(int) - found["scans"]).max() <= 3  # but for its color the same image


def test_deviation_is_half_the_mean_absolute_deviation():
    keras.utils.set_random_seed(2)
    network = build(64, None)
    x = np.stack([head(1)[0][:64, :64]]).astype(np.uint8)
    maps = keras.Model(network.input, network.get_layer("block3_conv3").output).predict_on_batch(
        x[..., None].repeat(3, -1) / 255
    )
    expected = np.abs(maps - maps.mean(axis=(1, 2), keepdims=True)).mean(axis=(1, 2)) / 2
    assert pooled(network, x)["block3_conv3 deviation"] == pytest.approx(expected, rel=1e-3, abs=1e-6)
