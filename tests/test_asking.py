"""Which slices of a folder are asked about, what is left out, and what comes of what cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest import approx

from model.labels import LABELS
from model.prediction import Prediction
from model.training.asking import ask, cases_of, class_of, find_cases, survey
from model.training.dataset import Item
from synthetic import head, write_tree
from test_evaluation import certain
from test_walking import shut


class Oracle:
    """Knows a tumor by its bright disc, and outlines it."""

    def predict(self, slices):
        out = []
        for pixels in slices:
            mask = pixels > 200
            label = "glioma" if mask.any() else "notumor"
            probabilities = dict(zip(LABELS, certain(LABELS.index(label)), strict=True))
            out.append(Prediction("ok", 0.9, mask, label, probabilities))
        return out


def test_ask_reads_folders_and_masks(tmp_path):
    write_tree(tmp_path)
    testing = tmp_path / "brain_tumor_mri" / "Testing"
    (testing / "glioma" / "broken.png").write_bytes(b"no image")
    given = ask(Oracle(), find_cases(testing, tmp_path / "tumor_masks" / "Testing"))
    assert given.unreadable == ["glioma/broken.png"]
    assert given.truth.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert given.predicted.tolist() == [0] * 8 + [2] * 4 + [0] * 4
    assert given.dice[:8] == pytest.approx(np.ones(8), abs=0.02)
    assert np.isnan(given.dice[8:12]).all()


def test_ask_takes_tumors_of_unknown_type(tmp_path):
    (tmp_path / "tumor").mkdir()
    Image.fromarray(head(1, tumor=True)[0]).save(tmp_path / "tumor" / "a.png")
    assert ask(Oracle(), find_cases(tmp_path)).truth.tolist() == [-1]


def test_ask_needs_class_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected images in folders named glioma, meningioma, notumor"):
        ask(Oracle(), find_cases(tmp_path))


def test_cases_of_a_manifest_know_source_sequence_and_plane(tmp_path):
    items = [
        Item("healthy_t1/brisc2025_test_00561_no_sa_t1.jpg", "healthy_t1", "Extra", "notumor"),
        Item("tcga_lgg/images/TCGA_CS_4941_19960909_11_flair.jpg", "tcga_lgg", "Extra", "glioma", mask="tcga_lgg/masks/m.png"),
        Item("tcga_lgg/images/TCGA_CS_4941_19960909_11_t1post.jpg", "tcga_lgg", "Extra", "glioma"),
        Item("brain_tumor_mri/Training/glioma/Tr-gl_1.jpg", "kaggle", "Training", "glioma"),
    ]
    cases = cases_of(items, tmp_path)
    assert [case.groups for case in cases] == [
        ("source healthy_t1", "plane sagittal"),
        ("source tcga_lgg", "sequence FLAIR", "plane axial"),
        ("source tcga_lgg", "sequence T1 post-contrast", "plane axial"),
        ("source kaggle",),
    ]
    assert [case.mask for case in cases] == [None, tmp_path / "tcga_lgg/masks/m.png", None, None]
    assert cases[3].file == tmp_path / "brain_tumor_mri/Training/glioma/Tr-gl_1.jpg"


@pytest.fixture
def mixed(tmp_path) -> Path:
    """Classes as data sets spell them, and more than is measured: two gliomas of one file, no class, other kinds of files."""
    data = tmp_path / "data"
    put(data / "Glioma_Tumor" / "a" / "1.png", tumor=True)
    pages = [Image.fromarray(head(seed, tumor=True)[0]) for seed in (2, 3, 4)]
    pages[0].save(data / "Glioma_Tumor" / "2.tif", save_all=True, append_images=pages[1:])
    put(data / "no tumor" / "1.png")
    put(data / "pituitary" / "1.png", tumor=True)
    for name in ("cats/1.png", "cats/below/2.png", "readme.txt", "no tumor/1.DCM", "no tumor/2.dcm", "pituitary/IM1"):
        put(data / name)
    put(data / ".thumbs" / "1.png")
    put(data / "no tumor" / "._1.png")
    return data


def put(file: Path, tumor: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        Image.fromarray(head(1, tumor=tumor)[0]).save(out, "PNG")


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("glioma", "glioma"), ("Glioma", "glioma"), ("glioma_tumor", "glioma"), ("MENINGIOMA-TUMOR", "meningioma"),
        ("no_tumor", "notumor"), ("no-tumor", "notumor"), ("no tumor", "notumor"), ("NoTumor", "notumor"),
        ("pituitary tumor", "pituitary"), ("Pituitary_Tumor", "pituitary"), ("tumor", "tumor"), ("Tumor", "tumor"),
        ("no", None), ("gliomas", None), ("yes", None), (".", None), ("notumor_tumor", "notumor"), ("glioma old", None),
    ],
)  # fmt: skip
def test_what_class_a_folders_name_means(folder, label):
    assert class_of(folder) == label


def test_a_survey_tells_what_is_not_measured(mixed, monkeypatch):
    shut(monkeypatch, mixed / "Glioma_Tumor" / "a")
    found = survey(mixed)
    assert [(case.label, case.name) for case in found.cases] == [
        ("glioma", "Glioma_Tumor/2.tif"), ("notumor", "no tumor/1.png"), ("pituitary", "pituitary/1.png"),
    ]  # fmt: skip
    assert found.folders == {"Glioma_Tumor": "glioma", "no tumor": "notumor", "pituitary": "pituitary"}
    assert found.others == {"cats": 2, ".": 1}
    assert found.kinds == {".dcm": 2, "": 1}
    assert found.closed == ["Glioma_Tumor/a"]


def test_slices_come_by_class_and_then_by_their_paths(tmp_path):
    for name in ("notumor/b/1", "notumor/b.c", "glioma/2", "glioma/10", "Glioma/3", "tumor/1", "meningioma/1"):
        put(tmp_path / f"{name}.png")
    assert [case.name for case in find_cases(tmp_path)] == [
        f"{name}.png"
        for name in ("Glioma/3", "glioma/10", "glioma/2", "meningioma/1", "notumor/b/1", "notumor/b.c", "tumor/1")
    ]


def test_ask_counts_slices_and_masks_that_are_left_out(mixed, tmp_path):
    """The masks: one of another size, one that is damaged, one that is missing; of healthy slices none is missed."""
    masks = tmp_path / "masks"
    (masks / "Glioma_Tumor" / "a").mkdir(parents=True)
    Image.new("1", (5, 5), 1).save(masks / "Glioma_Tumor" / "2.png")
    (masks / "Glioma_Tumor" / "a" / "1.png").write_bytes(b"no image")
    given = ask(Oracle(), find_cases(mixed, masks))
    assert np.isnan(given.dice).all()
    assert given.unreadable_masks == [str(masks / "Glioma_Tumor" / "a" / "1.png")]
    assert given.left_out == {
        "further_slices": 2, "tumors_without_mask": 1, "masks_of_another_size": 1, "unreadable_masks": 1,
    }  # fmt: skip
    assert ask(Oracle(), find_cases(mixed)).left_out == {
        "further_slices": 2, "tumors_without_mask": 0, "masks_of_another_size": 0, "unreadable_masks": 0,
    }  # fmt: skip


def test_a_mask_with_soft_edges_is_taken_as_in_training(tmp_path):
    pixels, mask = head(1, tumor=True)
    soft = np.where(mask, 200, 0).astype(np.uint8)
    soft[0, :50] = 90  # noise of JPEG, below half
    (tmp_path / "data" / "tumor").mkdir(parents=True)
    (tmp_path / "masks" / "tumor").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "data" / "tumor" / "1.png")
    Image.fromarray(soft).save(tmp_path / "masks" / "tumor" / "1.png")
    assert ask(Oracle(), find_cases(tmp_path / "data", tmp_path / "masks")).dice == approx([1.0])


def test_masks_that_are_none(mixed, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^Expected a folder of masks\. Received: .*nowhere, which is none$"):
        find_cases(mixed, tmp_path / "nowhere")
    (tmp_path / "masks").mkdir()
    expected = r"^Expected masks in .*masks, PNG named as the slices in .*data\. Received: none that is$"
    with pytest.raises(FileNotFoundError, match=expected):
        find_cases(mixed, tmp_path / "masks")


def test_what_cannot_be_read_is_named_with_its_folders(tmp_path):
    put(tmp_path / "glioma" / "1.png")
    put(tmp_path / "glioma" / "dir.jpg" / "2.png")
    (tmp_path / "glioma" / "dir.jpg" / "broken.png").write_bytes(b"no image")
    (tmp_path / "glioma" / "gone.png").symlink_to("nowhere")
    cases = find_cases(tmp_path)
    assert ask(Oracle(), cases).unreadable == ["glioma/dir.jpg/broken.png", "glioma/gone.png"]
    with pytest.raises(FileNotFoundError, match=r"^Expected images that can be read\. Received: 2, none of which can$"):
        ask(Oracle(), [case for case in cases if case.name in ("glioma/gone.png", "glioma/dir.jpg/broken.png")])


def test_folders_that_name_no_class_are_told(tmp_path):
    put(tmp_path / "cats" / "1.png")
    put(tmp_path / "dogs" / "1.png")
    with pytest.raises(FileNotFoundError, match=r"Received: the folders cats, dogs$"):
        find_cases(tmp_path)
