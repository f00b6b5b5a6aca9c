"""The manifest of a small tree, what it says of the leak, and how it is kept."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.training.dataset import (
    assign,
    build_manifest,
    find_items,
    leak_figures,
    unused_folders,
)
from test_walking import shut
from trees import LGG_A, LGG_B, TRAINING, by_name, item, paths, put, slice_of

ROOT = Path(__file__).parents[1]
# manifest


def test_every_image_is_listed_with_source_split_and_label(manifest):
    assert Counter((i.source, i.split, i.label) for i in manifest) == {
        ("kaggle", "Training", "glioma"): 2,
        ("kaggle", "Training", "meningioma"): 1,
        ("kaggle", "Training", "notumor"): 2,
        ("kaggle", "Training", "pituitary"): 1,
        ("kaggle", "Testing", "glioma"): 2,
        ("kaggle", "Testing", "notumor"): 2,
        ("br35h_tumor", "Extra", "tumor"): 2,
        ("healthy_t1", "Extra", "notumor"): 2,
        ("tcga_lgg", "Extra", "glioma"): 2,
        ("tcga_lgg", "Extra", "notumor"): 1,
        ("tcga_lgg", "Extra", ""): 1,
    }


def test_paths_are_relative_and_masks_are_found(manifest, tree):
    named = by_name(manifest)
    assert named["Tr-gl_0.jpg"].path == f"{TRAINING}/glioma/Tr-gl_0.jpg"
    assert named["Tr-gl_0.jpg"].mask == "tumor_masks/Training/glioma/Tr-gl_0.png"
    assert named["Tr-gl_1.png"].mask == ""
    assert named[f"{LGG_A}_19960909_11_t1post.jpg"].mask == f"tcga_lgg/masks/{LGG_A}_19960909_11.png"
    assert all((tree / i.path).is_file() for i in manifest)


def test_sizes_and_hashes(manifest, tree):
    for i in manifest:
        if not i.error:
            assert i.sha256 == hashlib.sha256((tree / i.path).read_bytes()).hexdigest()
            assert (i.width, i.height) == ((100, 100) if i.path.endswith("Te-no_0.jpg") else (80, 80))


def test_width_and_height_are_not_exchanged(tmp_path):
    put(tmp_path, "Training/glioma/a.png", slice_of(0)[:60])
    (only,) = build_manifest(tmp_path, workers=1)
    assert (only.path, only.width, only.height) == ("Training/glioma/a.png", 80, 60)


def test_an_unreadable_file_is_listed(manifest):
    broken = [i for i in manifest if i.error]
    assert [i.path for i in broken] == [f"{TRAINING}/notumor/Tr-no_0.jpg"]
    assert broken[0].error == "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: 19 bytes of something else."
    assert (broken[0].width, broken[0].sha256, broken[0].group, broken[0].testing_twin) == (0, "", -1, False)


def test_twins_of_testing_are_marked_and_only_outside_it(manifest):
    assert {Path(i.path).name for i in manifest if i.testing_twin} == {"Tr-gl_1.png", "Tr-no_1.jpg", "y1.jpg"}


def test_twins_share_a_group_and_nobody_else_does(manifest):
    groups = {}
    for i in manifest:
        if not i.error:
            groups.setdefault(i.group, set()).add(Path(i.path).name)
    assert sorted(map(sorted, (g for g in groups.values() if len(g) > 1))) == [
        ["Te-gl_0.jpg", "Tr-gl_1.png"],
        ["Te-no_0.jpg", "Tr-no_1.jpg"],
        ["Te-no_1.jpg", "y1.jpg"],
        ["h0.jpg", "h1.jpg"],
    ]


def test_the_patient_and_the_label_of_an_lgg_slice(manifest):
    received = {Path(i.path).name: (i.patient, i.label) for i in manifest if i.source == "tcga_lgg"}
    assert received == {
        f"{LGG_A}_19960909_11_flair.jpg": (LGG_A, "glioma"),
        f"{LGG_A}_19960909_11_t1post.jpg": (LGG_A, "glioma"),
        f"{LGG_B}_19950428_1_flair.jpg": (LGG_B, "notumor"),
        f"{LGG_B}_19950428_2_flair.jpg": (LGG_B, ""),
    }
    assert {i.patient for i in manifest if i.source != "tcga_lgg"} == {""}


def test_an_lgg_slice_without_a_mask_is_an_error_not_a_label(tmp_path):
    put(tmp_path, "brain_tumor_mri/Training/glioma/a.png", slice_of(0))
    put(tmp_path, f"tcga_lgg/images/{LGG_A}_1_flair.jpg", slice_of(1))
    lgg = build_manifest(tmp_path, workers=1)[1]
    assert (lgg.source, lgg.label, lgg.error) == ("tcga_lgg", "", "has no mask in tcga_lgg/masks")
    assert lgg.path == f"tcga_lgg/images/{LGG_A}_1_flair.jpg"


def test_a_chain_of_twins_is_one_group_but_only_the_near_one_is_a_testing_twin(tmp_path):
    a, b = slice_of(1).astype(float), slice_of(2).astype(float)
    for path, share in (("Testing/glioma/0", 0.0), ("Training/glioma/1", 0.13), ("Training/glioma/2", 0.26)):
        put(tmp_path, f"{path}.png", (a * (1 - share) + b * share).astype(np.uint8))
    items = by_name(build_manifest(tmp_path, workers=1))
    assert items["0.png"].group == items["1.png"].group == items["2.png"].group
    assert [items[f"{n}.png"].testing_twin for n in range(3)] == [False, True, False]
    assert assign(items.values(), "leakfree", 0)["train"] == []


def test_twins_within_testing_are_no_testing_twins(tmp_path):
    put(tmp_path, "Testing/glioma/0.png", slice_of(0))
    put(tmp_path, "Testing/glioma/1.jpg", slice_of(0)[:, ::-1])
    items = build_manifest(tmp_path, workers=1)
    assert [(i.group, i.testing_twin) for i in items] == [(0, False), (0, False)]


def test_a_folder_named_like_an_image_and_a_broken_link_are_not_fatal(tmp_path):
    put(tmp_path, "Training/glioma/a.png", slice_of(0))
    (tmp_path / "Training/glioma/folder.png").mkdir()
    (tmp_path / "Training/glioma/gone.png").symlink_to(tmp_path / "nowhere.png")
    items = build_manifest(tmp_path, workers=1)
    assert [(i.path, i.error) for i in items] == [
        ("Training/glioma/a.png", ""),
        ("Training/glioma/gone.png", "cannot be opened (No such file or directory)"),
    ]


def test_linked_and_hidden_folders(tmp_path):
    put(tmp_path, "disk/b.png", slice_of(0))
    for name in ("a.png", "._a.png", ".thumbs/c.png"):
        put(tmp_path, f"Training/glioma/{name}", slice_of(1))
    (tmp_path / "Training/glioma/more").symlink_to(tmp_path / "disk")
    assert [i.path for i in find_items(tmp_path)] == ["Training/glioma/a.png", "Training/glioma/more/b.png"]


def test_a_folder_that_cannot_be_opened_ends_it(tmp_path, monkeypatch):
    """Without its images the manifest would say less of the leak than there is."""
    put(tmp_path, "Training/glioma/shut/a.png", slice_of(0))
    shut(monkeypatch, tmp_path / "Training/glioma/shut")
    with pytest.raises(OSError, match=r"^Expected folders that can be opened\. Received: .*shut \(Permission denied\)$"):
        find_items(tmp_path)


def test_folders_that_name_no_class(tmp_path):
    put(tmp_path, "brain_tumor_mri/Testing/glioma_tumor/a.png", slice_of(0))
    put(tmp_path, "brain_tumor_mri/Training/.git/a.png", slice_of(0))
    put(tmp_path, "br35h_tumor/a.png", slice_of(0))
    unused = ["brain_tumor_mri/Testing/glioma_tumor"]
    assert unused_folders(tmp_path) == unused
    expected = (
        f"Expected images in Training/ or Testing/ of {tmp_path / 'brain_tumor_mri'}, in folders named glioma, meningioma, "
        f"notumor, pituitary. Received: {unused[0]}"
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(expected)}$"):
        find_items(tmp_path)
    put(tmp_path, "brain_tumor_mri/Training/glioma/a.png", slice_of(0))
    assert len(find_items(tmp_path)) == 2
    assert unused_folders(tmp_path) == unused


def test_an_image_without_a_finite_value_is_not_fatal(tmp_path):
    put(tmp_path, "Training/glioma/a.png", slice_of(0))
    Image.fromarray(np.full((80, 80), np.nan, np.float32)).save(tmp_path / "Training/glioma/nan.tiff")
    items = by_name(build_manifest(tmp_path, workers=1))
    assert items["a.png"].error == ""
    assert "finite" in items["nan.tiff"].error


def test_only_unreadable_files(tmp_path):
    put(tmp_path, "Training/glioma/a.png", b"")
    (only,) = build_manifest(tmp_path, workers=1)
    assert only.error == "The file is empty. Expected an image."
    assert leak_figures([only]) == dict.fromkeys(leak_figures([]), 0)


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "Png", "bmp", "tif", "tiff", "webp"])
def test_suffixes_that_are_listed(tmp_path, suffix):
    put(tmp_path, "Training/glioma/x.png", slice_of(0))
    (tmp_path / "Training/glioma/x.png").rename(tmp_path / f"Training/glioma/x.{suffix}")
    assert [i.path for i in find_items(tmp_path)] == [f"Training/glioma/x.{suffix}"]


def test_the_kaggle_folder_itself_will_do(tree):
    items = find_items(tree / "brain_tumor_mri")
    assert len(items) == 10
    assert {i.source for i in items} == {"kaggle"}
    assert items[0].path == "Training/glioma/Tr-gl_0.jpg"


def test_a_folder_without_the_data_is_refused(tmp_path):
    (tmp_path / "cats").mkdir()
    expected = f"Expected Training/ and Testing/ (one folder per class), or brain_tumor_mri/ holding them, in {tmp_path}. "
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(expected)}Received: \\['cats'\\]$"):
        find_items(tmp_path)
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError, match=r"missing\. Received: no such folder$"):
        find_items(missing)


# leak


def test_leak_figures_of_the_tree(manifest):
    assert leak_figures(manifest) == {
        "testing": 4,
        "testing_linked_to_training": 2,
        "training": 5,
        "training_purged": 2,
        "training_left_out": 2,
        "extra_purged": 1,
    }


def test_leak_figures_count_what_they_say():
    items = [
        item(0, split="Testing", group=1),
        item(1, split="Testing", group=1),
        item(2, split="Testing", group=2),
        item(3, split="Testing", group=3, error="damaged"),
        item(4, group=1, testing_twin=True),
        item(5, group=1),  # linked through another
        item(6, group=7),
        item(7, group=8, testing_twin=True, error="damaged"),
        item(8, split="Extra", source="healthy_t1", group=2, testing_twin=True),
    ]
    assert leak_figures(iter(items)) == {
        "testing": 3,
        "testing_linked_to_training": 2,
        "training": 3,
        "training_purged": 1,
        "training_left_out": 2,
        "extra_purged": 1,
    }


# the tree's split


def test_the_tree_is_split(manifest):
    split = assign(manifest, "leakfree", seed=0)
    assert {Path(p).name for p in paths(split["testing"])} == {"Te-gl_0.jpg", "Te-gl_1.jpg", "Te-no_0.jpg", "Te-no_1.jpg"}
    used = {Path(p).name for p in paths(split["train"] + split["validation"])}
    assert used == {
        "Tr-gl_0.jpg",
        "Tr-me_0.jpg",
        "Tr-pi_0.jpg",
        "y0.jpg",
        "h0.jpg",
        "h1.jpg",
        f"{LGG_A}_19960909_11_flair.jpg",
        f"{LGG_A}_19960909_11_t1post.jpg",
        f"{LGG_B}_19950428_1_flair.jpg",
    }
