import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from model.training import arrays as arrays_module
from model.training.arrays import Arrays
from model.training.dataset import build_manifest
from synthetic import write_tree


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def items(data):
    return [i for i in build_manifest(data, workers=1) if i.label]


def test_what_is_cached_is_not_preprocessed_again_and_stays_in_order(data, items, tmp_path, monkeypatch):
    asked = []
    original = arrays_module.load_arrays
    monkeypatch.setattr(
        arrays_module, "load_arrays", lambda data, items, size: asked.append(len(items)) or original(data, items, size)
    )
    (tmp_path / "other").mkdir()
    Arrays.load(data, items[:6], 64, tmp_path)
    later = Arrays.load(data, items[8:2:-1], 64, tmp_path)
    assert asked == [6, 3]  # slices 8, 7 and 6 were new
    fresh = Arrays.load(data, items[8:2:-1], 64, tmp_path / "other")
    assert later.items == items[8:2:-1]
    for name in ("images", "masks", "has_mask"):
        assert np.array_equal(getattr(later, name), getattr(fresh, name))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arrays-64.npz", "other"]


def test_a_mask_that_came_later_or_changed_is_not_missed(data, items, tmp_path, monkeypatch):
    tumor = next(i for i in items if i.mask and i.label in ("glioma", "meningioma", "pituitary"))
    without = replace(tumor, mask="")
    assert not Arrays.load(data, [without], 64, tmp_path).has_mask[0]
    found = Arrays.load(data, [tumor], 64, tmp_path)
    assert found.has_mask[0] and found.masks[0].any()
    mask = tmp_path / "changed" / tumor.mask
    for path in (tumor.path, tumor.mask):
        (tmp_path / "changed" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / path, tmp_path / "changed" / path)
    mirrored = Image.open(mask).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(mask)
    changed = Arrays.load(tmp_path / "changed", [tumor], 64, tmp_path)
    assert (changed.masks[0] != found.masks[0]).any()
    monkeypatch.setattr(arrays_module, "VERSION", 2)
    asked = []
    original = arrays_module.load_arrays
    monkeypatch.setattr(arrays_module, "load_arrays", lambda *given: asked.append(len(given[1])) or original(*given))
    Arrays.load(data, [tumor], 64, tmp_path)
    assert asked == [1]


def test_stripped_copies_differ_in_the_shell_and_depend_on_the_seed_alone(data, items, tmp_path):
    every = Arrays.load(data, items[:4], 64, tmp_path)
    stripped = every.stripped(seed=1, workers=1)
    assert stripped.images.dtype == stripped.masks.dtype == np.uint8
    assert all((a != b).mean() > 0.05 for a, b in zip(stripped.images, every.images, strict=True))
    assert np.array_equal(stripped.images, every.stripped(seed=1, workers=1).images)
    assert not np.array_equal(stripped.images, every.stripped(seed=2, workers=1).images)
