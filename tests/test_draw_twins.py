"""scripts/draw_twins.py finds the pairs of the manifest and draws them."""

import io

import pytest
from PIL import Image

from model.training.dataset import Item, build_manifest, save_manifest
from model.training.showing import small_tree
from scripts import draw_twins
from test_golden import SAMPLES


def item(split: str, number: int, group: int, **more) -> Item:
    return Item(f"{split}/glioma/{number}.jpg", "kaggle", split, "glioma", group=group, **more)


def test_pairs_are_testing_slices_with_the_first_of_their_group_in_training():
    alone, error = item("Testing", 1, 7), item("Training", 2, 9, error="cut off")
    first, second, other = item("Training", 3, 8), item("Training", 4, 8), item("Training", 5, 6)
    slices = item("Testing", 6, 8), item("Testing", 7, 8), item("Testing", 8, 9), item("Extra", 9, 8)
    assert draw_twins.pairs([alone, error, first, second, other, *slices]) == [(slices[0], first), (slices[1], first)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return small_tree(tmp_path_factory.mktemp("tree"), list(SAMPLES.glob("*.jpg")))


@pytest.fixture(scope="module")
def manifest(tree):
    return build_manifest(tree)


def test_each_twin_lies_below_its_slice(tree, manifest):
    titles = [axes.get_title() for axes in draw_twins.draw(tree, manifest).axes]
    assert len(titles) == 8
    for testing, twin in zip(titles[:4], titles[4:], strict=True):
        label = testing.split("/")[1]
        assert testing.startswith(f"Testing/{label}/\n{label}_Te-")
        assert twin == f"Training/{label}/\ntwin_{label}.jpg"


def test_of_many_pairs_some_are_drawn(tree, manifest):
    assert len(draw_twins.draw(tree, manifest, count=2).axes) == 4


def test_command_writes_the_picture(tree, manifest, tmp_path, capsys):
    save_manifest(manifest, tmp_path / "manifest.csv")
    out = tmp_path / "twins.jpg"
    assert draw_twins.main(["--data", str(tree), "--manifest", str(tmp_path / "manifest.csv"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 4 Testing slices have a twin in Training\n"
    with Image.open(io.BytesIO(out.read_bytes())) as picture:
        assert picture.format == "JPEG" and picture.width > picture.height
