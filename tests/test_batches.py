import numpy as np
import pytest

from model.labels import LABELS
from model.training import batches as batches_module
from model.training import recipe
from model.training.arrays import Arrays
from model.training.batches import TrainingBatches, ValidationBatches, admissible, shares
from model.training.dataset import ANY_TUMOR, Item

SIDE = 64


@pytest.fixture
def plain(monkeypatch):
    """Nothing is augmented, restyled, recontrasted or refocused."""
    monkeypatch.setattr(recipe, "RESTYLED_SHARE", 0.0)
    monkeypatch.setattr(recipe, "RECONTRASTED_SHARE", 0.0)
    monkeypatch.setattr(batches_module, "refocus", lambda image, *_: image)
    monkeypatch.setattr(batches_module, "augment", lambda images, masks, *_: (images[..., None] / 255, masks[..., None] / 255))


def arrays_of(label: str, healthy: int = 20, tumors: int = 20) -> Arrays:
    """Healthy slices of one tone, and slices with a brighter square in the middle, which their masks show."""
    items = [Item("", "kaggle", "Training", "notumor")] * healthy + [Item("", "kaggle", "Training", label)] * tumors
    images = np.full((healthy + tumors, SIDE, SIDE), 100, np.uint8)
    masks = np.zeros_like(images)
    images[healthy:, 28:36, 28:36] = 200
    masks[healthy:, 28:36, 28:36] = 255
    return Arrays(items, images, masks, np.ones(len(items), bool))


def drawn(arrays: Arrays, samples: int = 960, exchange: float = 1.0) -> list[tuple]:
    """(had a tumor, has a tumor, mask area, admissible classes) of each draw."""
    batches = TrainingBatches(arrays, arrays, samples, (1,), exchange)
    rows = []
    for index, (images, targets, _) in enumerate(batches):
        labels = [arrays.items[n].label for n in batches.batches[index]]
        bright = np.asarray(images[..., 0]).max(axis=(1, 2)) > 150 / 255
        area = np.asarray(targets["mask"]).sum(axis=(1, 2, 3)) * 4
        rows += list(zip([label != "notumor" for label in labels], bright, area, targets["probabilities"], strict=True))
    return rows


@pytest.mark.parametrize("label, admitted", (("glioma", (1, 0.5, 0, 0.5)), (ANY_TUMOR, (1, 1, 0, 1))))
def test_healthy_slices_get_tumors_with_their_masks_and_types_in_some_doubt(plain, monkeypatch, label, admitted):
    monkeypatch.setitem(recipe.SHARES, ("kaggle", ANY_TUMOR), 0.1)
    healthy = [row for row in drawn(arrays_of(label)) if not row[0]]
    grafted = [row for row in healthy if row[1]]
    assert len(grafted) / len(healthy) == pytest.approx(recipe.GRAFTED_SHARE, abs=0.08)
    for _, tumor, area, target in healthy:
        assert area == pytest.approx(64 if tumor else 0, abs=1)
        assert np.array_equal(target, admitted if tumor else np.eye(4)[LABELS.index("notumor")])


def test_small_sharp_tumors_are_healed(plain):
    tumors = [row for row in drawn(arrays_of("meningioma")) if row[0]]
    healed = [row for row in tumors if not row[1]]
    assert len(healed) / len(tumors) == pytest.approx(recipe.HEALED_SHARE, abs=0.08)
    for _, tumor, area, target in tumors:
        assert area == pytest.approx(64 if tumor else 0, abs=1)
        assert np.array_equal(target, np.eye(4)[LABELS.index("meningioma" if tumor else "notumor")])


@pytest.mark.parametrize("exchange", (0.0, 0.4))
def test_a_stage_may_exchange_less(plain, exchange):
    rows = drawn(arrays_of("meningioma"), exchange=exchange)
    healthy, tumors = ([row for row in rows if row[0] == tumor] for tumor in (False, True))
    grafted = sum(tumor for _, tumor, _, _ in healthy) / len(healthy)
    healed = sum(not tumor for _, tumor, _, _ in tumors) / len(tumors)
    assert (grafted, healed) == pytest.approx((exchange * recipe.GRAFTED_SHARE, exchange * recipe.HEALED_SHARE), abs=0.05)
    assert exchange or (grafted, healed) == (0.0, 0.0)


def test_gliomas_and_large_tumors_are_not_healed(plain, monkeypatch):
    assert all(tumor for had, tumor, _, _ in drawn(arrays_of("glioma")) if had)
    monkeypatch.setattr(recipe, "SMALL_TUMOR", 0.01)
    assert all(tumor for had, tumor, _, _ in drawn(arrays_of("meningioma")) if had)


def test_what_is_drawn_from_is_left_alone(plain):
    arrays = arrays_of("meningioma")
    images, masks = arrays.images.copy(), arrays.masks.copy()
    batches = TrainingBatches(arrays, arrays, 320, (1,))
    targets = batches.targets.copy()
    list(batches)
    for now, before in ((arrays.images, images), (arrays.masks, masks), (batches.targets, targets)):
        assert np.array_equal(now, before)


def test_without_healthy_slices_nothing_is_exchanged(plain):
    rows = drawn(arrays_of("meningioma", healthy=0), samples=96)
    assert all(tumor and area == pytest.approx(64, abs=1) for _, tumor, area, _ in rows)


@pytest.mark.parametrize("exchange", (1.0, 0.4))
@pytest.mark.parametrize(
    "change, share", (("restyle", "RESTYLED_SHARE"), ("recontrast", "RECONTRASTED_SHARE"), ("refocus", "REFOCUSED_SHARE"))
)
def test_some_draws_take_on_other_tones_contrast_and_sharpness(plain, monkeypatch, exchange, change, share):
    monkeypatch.setattr(recipe, share, 0.3)
    monkeypatch.setattr(batches_module, change, lambda image, *_: np.full_like(image, 7))
    items = [Item("", "kaggle", "Training", "glioma")] * 10
    images = np.full((10, SIDE, SIDE), 90, np.uint8)
    batches = TrainingBatches(*[Arrays(items, images, images, np.zeros(10, bool))] * 2, 960, (1,), exchange)
    tones = np.concatenate([np.asarray(x)[:, 0, 0, 0] for x, _, _ in batches])
    assert set(np.round(tones * 255)) == {7, 90}
    assert (tones < 50 / 255).mean() == pytest.approx(exchange * 0.3, abs=0.05)


def test_tones_and_sharpness_come_from_what_is_drawn(plain, monkeypatch):
    """However many slices a source has, it lends its look as often as it is shown."""
    taken = []
    monkeypatch.setattr(batches_module, "refocus", lambda image, reference, amount: taken.append(reference[0, 0]) or image)
    items = [Item("", "kaggle", "Training", "glioma")] * 30 + [Item("", "kaggle", "Training", "pituitary")]
    images = np.repeat(np.array([50] * 30 + [80], np.uint8), SIDE * SIDE).reshape(31, SIDE, SIDE)
    list(TrainingBatches(*[Arrays(items, images, images, np.zeros(31, bool))] * 2, 1920, (1,)))
    assert len(taken) / 1920 == pytest.approx(recipe.REFOCUSED_SHARE, abs=0.05)
    assert np.mean(np.array(taken) == 80) == pytest.approx(0.13 / 0.30, abs=0.05)


def test_what_is_grafted_is_as_sharp_as_what_it_is_grafted_into(plain, monkeypatch):
    """Or a tumor in a sharp head would be told by its blur."""
    monkeypatch.setattr(recipe, "REFOCUSED_SHARE", 0.0)
    seen = set()
    monkeypatch.setattr(
        batches_module, "refocus", lambda image, reference, amount: seen.add((image.max(), reference.max(), amount)) or image
    )
    drawn(arrays_of("meningioma"))
    assert seen == {(200, 100, 1.0), (100, 200, 1.0), (100, 100, 1.0)}  # a tumor, healed tissue, a sham


@pytest.mark.parametrize("exchange", (1.0, 0.5))
def test_some_tumors_are_grafted_in_another_contrast_and_healthy_tissue_never(plain, monkeypatch, exchange):
    """What looks like fluid or swelling must not be shown as healthy tissue."""
    monkeypatch.setattr(recipe, "RECONTRASTED_SHARE", 0.4)
    seen = []
    monkeypatch.setattr(batches_module, "recontrast", lambda image, rng: seen.append(image.max()) or image)
    monkeypatch.setattr(batches_module, "graft", lambda host, donor, region, rng, move=True: None)
    arrays = arrays_of("meningioma")
    batches = TrainingBatches(arrays, arrays, 960, (1,), exchange)
    rng = np.random.default_rng(5)
    for _ in range(2000):
        batches._grafted(0, arrays.images[0], arrays.masks[0], batches.targets[0], rng)
        batches._grafted(20, arrays.images[20], arrays.masks[20], batches.targets[20], rng)
    assert set(seen) == {200}
    assert len(seen) / 2000 == pytest.approx(exchange * recipe.GRAFTED_SHARE * exchange * 0.4, abs=0.015)


def test_shares_follow_the_recipe():
    items = [Item("", "kaggle", "Training", "glioma")] * 4 + [Item("", "healthy_t1", "Extra", "notumor")]
    drawn = shares(items)
    expected = recipe.SHARES["kaggle", "glioma"] / recipe.SHARES["healthy_t1", "notumor"]
    assert drawn.sum() == pytest.approx(1.0)
    assert drawn[:4].sum() / drawn[4] == pytest.approx(expected)
    assert sum(recipe.SHARES.values()) == pytest.approx(1.0)


def test_validation_weighs_sources_as_training_draws_them():
    items = [Item("", "kaggle", "Training", "glioma")] * 6 + [Item("", "healthy_t1", "Extra", "notumor")] * 2
    pixels = np.zeros((8, 64, 64), np.uint8)
    batches = ValidationBatches(Arrays(items, pixels, pixels, np.array([True] * 7 + [False])))
    _, _, weights = batches[0]
    assert weights["probabilities"].mean() == pytest.approx(1.0)
    assert weights["probabilities"][:6].sum() / weights["probabilities"][6:].sum() == pytest.approx(0.17 / 0.10)
    assert weights["mask"][7] == 0.0
    assert weights["mask"][6] == weights["probabilities"][6]


def test_a_share_of_the_draws_has_no_skull(plain, monkeypatch):
    monkeypatch.setattr(recipe, "STRIPPED_SHARE", 0.25)
    items = [Item("", "kaggle", "Training", "glioma")] * 40
    whole, none, known = np.full((40, 64, 64), 255, np.uint8), np.zeros((40, 64, 64), np.uint8), np.ones(40, bool)
    batches = TrainingBatches(Arrays(items, whole, none, known), Arrays(items, none, whole, known), 640, (1,))
    pairs = [(float(i), float(m)) for x, y, _ in batches for i, m in zip(x[:, 5, 5, 0], y["mask"][:, 5, 5, 0], strict=True)]
    assert set(pairs) == {(1.0, 0.0), (0.0, 1.0)}  # image and mask come from the same copy
    assert pairs.count((0.0, 1.0)) / 640 == pytest.approx(0.25, abs=0.05)


def test_admissible_classes():
    items = [Item("", "", "", label) for label in ("pituitary", ANY_TUMOR)]
    assert admissible(items).tolist() == [[0, 0, 0, 1], [1, 1, 0, 1]]
