from dataclasses import replace

import numpy as np
import pytest

from model.training.dataset import Item
from model.training.familiar import evenly, with_variants
from synthetic import head


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.stack([head(n)[0] for n in range(8)])


def items(counts: dict[tuple[str, str], int]) -> list[Item]:
    blank = Item("", "", "", "")
    return [replace(blank, source=source, label=label) for (source, label), n in counts.items() for _ in range(n)]


def test_every_source_and_class_has_as_many_slices():
    chosen = evenly(items({("large", "glioma"): 90, ("small", "notumor"): 5, ("large", "notumor"): 30}), 30)
    assert list(chosen[:10]) == [0, 10, 20, 30, 40, 49, 59, 69, 79, 89]
    assert list(chosen[10:15]) == [90, 91, 92, 93, 94]  # all there are
    assert list(chosen[15:]) == [95, 98, 101, 105, 108, 111, 114, 118, 121, 124]


def test_nothing_to_choose_from():
    assert evenly([], 30).shape == (0,)


def test_the_images_come_first_and_unchanged(images):
    shown = with_variants(images)
    assert np.array_equal(shown[:8], images)
    assert shown.dtype == np.uint8 and shown.shape == (22, 96, 96)
    assert np.array_equal(shown, with_variants(images))


def test_copies_are_stripped_smoothed_toned_and_turned(images):
    stripped, smooth, toned, turned, whole_toned, whole_smooth = np.split(with_variants(images)[8:], [4, 6, 8, 10, 12])
    for copy, original in zip(stripped, images[::2], strict=True):
        assert (copy[[0, -1]] > 0).any()  # what is left fills the frame again
        assert not np.array_equal(copy, original)
    for copy, original in zip(smooth, stripped[::2], strict=True):
        assert roughness(copy) < roughness(original)
        assert copy.mean() == pytest.approx(original.mean(), rel=0.1)
    for copy, original in [*zip(toned, stripped[1::2], strict=True), *zip(whole_toned, images[2::4], strict=True)]:
        assert not np.array_equal(copy, original)
        assert (copy[original == 0] <= 25).all()  # air stays air, but for a brightened trace
        ordered = copy.ravel()[np.argsort(original, axis=None, kind="stable")].astype(int)
        assert np.mean(np.diff(ordered) >= 0) > 0.75 and np.corrcoef(ordered, np.sort(original, axis=None))[0, 1] > 0.97
    for copy, original in zip(turned, images[1::4], strict=True):
        assert any(np.array_equal(copy, np.rot90(original, quarters)) for quarters in (1, 2, 3))
    for copy, original in zip(whole_smooth, images[3::4], strict=True):
        assert roughness(copy) < roughness(original)


def roughness(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=0)).mean())
