"""What the close-up's network learns from, and how."""

import keras
import numpy as np
import pytest
from PIL import Image

from model.classifier import DEFAULT_MODEL
from model.closeup import SUREST
from model.preprocessing import preprocess
from model.training import closeups as closeups_module
from model.training.closeups import BATCH, WIDER, Batches, augment, begin, build, fit, gather, middle, overlap, trunk
from model.training.dataset import Item
from model.training.network import build as build_classifier
from model.tumor_odds import log_odds
from synthetic import head

SIDE = 32


def discs(count: int, side: int, shift: int = 0) -> np.ndarray:
    """Bright discs, each outlined `shift` pixels too far to the right by the first look."""
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    rng = np.random.default_rng(1)
    views = []
    for _ in range(count):
        radius = rng.uniform(0.12, 0.22) * side
        inside = np.hypot(x, y) < radius
        gray = np.where(inside, 220, 60) + rng.integers(0, 20, (side, side))
        first = np.where(np.hypot(x - shift, y) < radius, 0.7, 0.3) * 255
        views.append(np.stack([gray, first, inside * 255], axis=-1).astype(np.uint8))
    return np.stack(views)


# --- what it learns from


@pytest.fixture
def folder(tmp_path):
    """A slice with a disc and its mask, one with a mask of another size, one whose mask is empty, one without."""
    pixels, mask = head(1, 128, tumor=True)
    for name in ("tumor", "healthy", "plain", "other"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    Image.fromarray(mask).save(tmp_path / "tumor_mask.png")
    Image.fromarray(np.zeros_like(mask)).save(tmp_path / "healthy_mask.png")
    Image.fromarray(mask[::2]).save(tmp_path / "other_mask.png")
    return tmp_path, pixels, mask


def items(*names: str) -> list[Item]:
    return [Item(f"{n}.png", "kaggle", "Training", "glioma", mask="" if n == "plain" else f"{n}_mask.png") for n in names]


def test_what_has_a_tumor_and_is_outlined_is_gathered(folder):
    data, pixels, mask = folder

    def infer(batch):
        """Outlines what is bright."""
        assert batch.shape == (1, 64, 64, 3)
        return {"mask": (batch[..., :1] > 0.95)[:, ::2, ::2].astype(np.float32) * 0.98 + 0.001}

    gathered = gather(data, items("healthy", "plain", "tumor", "other"), infer, 64, 1.0, SIDE)
    assert gathered.shape == (1, SIDE, SIDE, 3) and gathered.dtype == np.uint8
    gray, first, expert = np.moveaxis(gathered[0].astype(float) / 255, -1, 0)
    assert expert[SIDE // 2, SIDE // 2] == 1.0
    side = 1.7 * np.ptp(np.flatnonzero(mask.any(axis=1))) + 0.06 * preprocess(pixels, 64)[1].side
    assert (expert > 0.5).mean() == pytest.approx(mask.sum() / side**2, rel=0.15)  # the outline's box is nearly the disc's
    assert ((first > 0.5) & (expert > 0.5)).sum() > 0.7 * (expert > 0.5).sum()
    assert gray[expert > 0.9].min() > 0.9

    wider = gather(data, items("tumor"), infer, 64, 1.0, SIDE, WIDER)
    assert wider.shape == (1, round(SIDE * WIDER), round(SIDE * WIDER), 3)
    assert (wider[..., 2] > 127).sum() == pytest.approx((expert > 0.5).sum(), rel=0.1)


def test_what_the_first_look_misses_cannot_be_looked_at_closely(folder):
    def infer(batch):
        return {"mask": np.zeros((1, 32, 32, 1), np.float32)}

    with pytest.raises(
        ValueError, match=r"Expected tumors that the model outlines\. Received: 2 slices, of which it does none"
    ):
        gather(folder[0], items("tumor", "healthy"), infer, 64, 1.0, SIDE)


# --- how it is shown


def test_every_close_up_is_shown_once_an_epoch_in_another_order(monkeypatch):
    monkeypatch.setattr(closeups_module, "augment", lambda views, side, seed: (views[:, 0, 0, 0].numpy(), seed.numpy()))
    views = np.tile(np.arange(2 * BATCH, dtype=np.uint8)[:, None, None, None], (1, 8, 8, 3))
    batches = Batches(views, 8, seed=4)
    assert len(batches) == 2
    first = [batches[i] for i in range(2)]
    assert sorted(np.concatenate([shown for shown, _ in first])) == list(range(2 * BATCH))
    again = Batches(views, 8, seed=4)[0]
    assert all(np.array_equal(a, b) for a, b in zip(first[0], again, strict=True))
    batches.on_epoch_end()
    assert not np.array_equal(first[0][0], batches[0][0])


def test_slice_first_look_and_mask_move_together():
    side = round(SIDE * WIDER)
    made = discs(12, side)
    made[..., 0] = made[..., 2]  # what is bright is the tumor
    shown, expert = augment(made, SIDE, np.array([3, 4], np.int32))
    again, _ = augment(made, SIDE, np.array([3, 4], np.int32))
    np.testing.assert_array_equal(shown, again)
    shown, expert = shown.numpy(), expert.numpy()
    assert (shown.shape, expert.shape) == ((12, SIDE, SIDE, 2), (12, SIDE, SIDE, 1))
    assert min(shown.min(), expert.min()) >= 0.0 and max(shown.max(), expert.max()) <= 1.0
    for (gray, first), mask in zip(np.moveaxis(shown, -1, 1), expert[..., 0], strict=True):
        inside, outside = mask > 0.95, mask < 0.05
        assert gray[inside].mean() > gray[outside].mean() + 0.2
        assert first[inside].min() > first[outside & (first > 0)].max()
    centers = [np.argwhere(mask[..., 0] > 0.5).mean(axis=0) for mask in expert]
    assert np.std(centers, axis=0).min() > 0.5


def test_where_the_slice_ends_the_first_look_says_nothing_whatever_is_done_to_it():
    views = np.zeros((8, 46, 46, 3), np.uint8)
    shown, _ = augment(views, SIDE, np.array([5, 6], np.int32))
    assert not shown.numpy()[..., 1].any()


# --- the network


def test_untrained_it_hands_on_what_the_first_look_drew():
    keras.utils.set_random_seed(1)
    probability = np.array([0.02, 0.3, 0.5, 0.9])
    lowest = log_odds(SUREST)
    views = np.zeros((1, 32, 32, 2), np.float32)
    views[0, 0, :4, 1] = (log_odds(probability) - lowest) / (-2 * lowest)
    mask = build(32, 1.8).predict_on_batch(views)["mask"]
    expected = 1 / (1 + np.exp(-log_odds(probability) / 1.8))
    assert mask[0, 0, :4, 0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("side", [0, 16, 50, -32])
def test_a_side_that_cannot_be_halved_is_told(side):
    with pytest.raises(ValueError, match=rf"The side must be a multiple of 16, at least 32\. Received: {side}"):
        build(side, 1.8)


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(4)
    return build_classifier(64, None)


def test_it_begins_with_what_the_classifier_sees_in_a_gray_slice(classifier):
    """Block by block, and in its decoder; the close-up's first look is nothing to it yet."""
    network = build(64, 1.8)
    begin(network, classifier)
    seen = np.random.default_rng(0).random((1, 64, 64, 2), np.float32)
    for name in ("block1_conv1", "block5_conv3", "mask_conv2"):
        ours = keras.Model(network.input, network.get_layer(name).output).predict_on_batch(seen)
        its = keras.Model(classifier.input, classifier.get_layer(name).output).predict_on_batch(seen[..., :1].repeat(3, -1))
        assert its.max() > 0.0
        np.testing.assert_allclose(ours, its, rtol=1e-4, atol=1e-5 * its.max(), err_msg=name)


def test_its_trunk_is_all_of_vgg16_but_the_first_convolution():
    names = trunk(build(32, 1.8))
    assert len(names) == 12
    assert names[0] == "block1_conv2" and names[-1] == "block5_conv3"


def test_the_middle_is_what_serving_would_see():
    views = np.arange(2 * 7 * 7 * 3).reshape(2, 7, 7, 3)
    np.testing.assert_array_equal(middle(views, 3), views[:, 2:5, 2:5])
    np.testing.assert_array_equal(middle(views, 7), views)


def test_overlap_is_dice_of_what_is_likelier_than_not():
    mask, predicted = np.zeros((3, 4, 4, 1), np.float32), np.zeros((3, 4, 4, 1), np.float32)
    mask[:2, 0], predicted[0, 0, :2], predicted[1, 0] = 1.0, 0.6, 0.6
    assert np.array(overlap(mask, predicted)) == pytest.approx([2 / 3, 1.0, 0.0])


def test_it_learns_where_the_border_is_and_goes_on_when_it_was_killed(tmp_path, monkeypatch):
    """The first look is always four pixels off; a run that is killed after its first epoch begins with the second.

    One that is done gives what it has learned when it is called again.
    """
    for name, value in {"WARM_UP": 4, "RATE": 5e-4}.items():
        monkeypatch.setattr(closeups_module, name, value)
    classifier = keras.saving.load_model(DEFAULT_MODEL, compile=False)
    keras.utils.set_random_seed(1)
    train, validation = discs(3 * BATCH, round(SIDE * WIDER), shift=4), discs(8, SIDE, shift=4)
    network, epochs = build(SIDE, 1.0), []

    def begun() -> keras.Model:
        new = build(SIDE, 1.0)
        begin(new, classifier)
        return new

    class Killed(Exception):
        pass

    on_epoch_end = keras.callbacks.CSVLogger.on_epoch_end

    def killed_after_the_first(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        epochs.append(epoch)
        if epochs == [0]:
            raise Killed

    monkeypatch.setattr(keras.callbacks.CSVLogger, "on_epoch_end", killed_after_the_first)
    with pytest.raises(Killed):
        fit(begun(), train, validation, tmp_path, 5, seed=1)
    fit(trained := begun(), train, validation, tmp_path, 5, seed=1)
    assert epochs == list(range(5))
    fit(again := begun(), train, validation, tmp_path, 5, seed=1)
    assert epochs == list(range(5))
    assert all(map(np.array_equal, again.get_weights(), trained.get_weights()))
    for name in trunk(trained):
        same = np.array_equal(trained.get_layer(name).get_weights()[0], classifier.get_layer(name).get_weights()[0])
        assert same == (name[5] in "12"), name  # those blocks stay
    views = validation.astype(np.float32) / 255
    before, after = (
        np.mean(overlap(views[..., 2:], net.predict_on_batch(views[..., :2])["mask"])) for net in (network, trained)
    )
    assert before < 0.75
    assert after > before + 0.1
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["epoch", *map(str, range(5))]
