"""A manifest as a file, the arrays that are read by it, and the script that writes it."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.training.dataset import (
    Item,
    load_arrays,
    load_manifest,
    save_manifest,
)
from trees import LGG_B, by_name, item, put, slice_of, tumor

ROOT = Path(__file__).parents[1]

# file


def test_a_manifest_comes_back_as_it_was(manifest, tmp_path):
    odd = item(1, label="", error='it said "no",\nand stopped', patient="ß", testing_twin=True)
    save_manifest([*manifest, odd], tmp_path / "m.csv")
    assert load_manifest(tmp_path / "m.csv") == [*manifest, odd]


def test_names_that_are_not_unicode_are_kept_and_no_half_manifest_is(tmp_path):
    path = tmp_path / "m.csv"
    items = [item(1, patient="m\udcfcller"), item(2)]
    save_manifest(items, path)
    assert b"m\xfcller" in path.read_bytes()
    assert load_manifest(path) == items
    with pytest.raises(TypeError):
        save_manifest([*items, "no item"], path)
    assert load_manifest(path) == items


def test_the_columns_of_a_manifest(manifest, tmp_path):
    save_manifest(manifest, tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert ",".join(header) == "path,source,split,label,width,height,sha256,group,patient,testing_twin,mask,error"
    assert len(rows) == 18


@pytest.mark.parametrize(
    ("content", "received"), [("a,b\n1,2\n", "['a', 'b']"), ("", "None"), ("path,source\n", "['path', 'source']")]
)
def test_another_csv_is_refused(tmp_path, content, received):
    path = tmp_path / "other.csv"
    path.write_text(content)
    message = re.escape(f"{path} is not a manifest of scripts/prepare_data.py. Received columns: {received}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        load_manifest(path)


# arrays


def test_arrays_of_images_and_masks(tree, manifest):
    named = by_name(manifest)
    items = [named[n] for n in ("Tr-gl_0.jpg", "Tr-gl_1.png", "h0.jpg", "y0.jpg", f"{LGG_B}_19950428_1_flair.jpg")]
    images, masks, known = load_arrays(tree, items, 36)
    assert images.shape == masks.shape == (5, 36, 36)
    assert images.dtype == masks.dtype == np.uint8
    assert known.tolist() == [True, False, True, False, True]
    assert [int(m.max()) for m in masks] == [255, 0, 0, 0, 0]
    x0, y0, x1, y1 = (round(v * 36 / 72) for v in (30 - 4, 30 - 4, 50 - 4, 45 - 4))  # the box's square starts at 4, 4
    expected = np.zeros((36, 36), bool)
    expected[y0:y1, x0:x1] = True
    received = masks[0] > 127
    assert (received & expected).sum() / (received | expected).sum() > 0.8
    assert images.max() > 200


# A mask of another size is dropped, but counts as known and empty, a tumor's slice included.
def test_a_mask_of_another_size_is_not_an_empty_one(tmp_path):
    put(tmp_path, "a.png", slice_of(0))
    put(tmp_path, "mask.png", tumor(side=60))
    _, masks, known = load_arrays(tmp_path, [Item("a.png", "kaggle", "Training", "glioma", mask="mask.png")], 36, workers=1)
    assert masks.any() or not known[0]


# scripts/prepare_data.py

PRINTED = """\
br35h_tumor  Extra     tumor           2
healthy_t1   Extra     notumor         2
kaggle       Testing   glioma          2
kaggle       Testing   notumor         2
kaggle       Training  glioma          2
kaggle       Training  meningioma      1
kaggle       Training  notumor         2
kaggle       Training  pituitary       1
tcga_lgg     Extra     -               1
tcga_lgg     Extra     glioma          2
tcga_lgg     Extra     notumor         1
unreadable: brain_tumor_mri/Training/notumor/Tr-no_0.jpg: Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. \
Received: 19 bytes of something else.
unreadable files: 1
Testing images with a twin in Training: 2 of 4
Training images with a twin in Testing, to purge: 2 of 5
these, and what is in a group with an image of Testing: 2
images of other sources with a twin in Testing, to purge: 1
"""


def prepare_data(*args, cwd):
    command = [sys.executable, str(ROOT / "scripts/prepare_data.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def test_prepare_data_prints_the_figures_and_writes_the_manifest(tree, manifest, tmp_path):
    done = prepare_data("--data", tree, "--out", "new/m.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == PRINTED
    assert load_manifest(tmp_path / "new/m.csv") == manifest


def test_prepare_data_refuses_a_folder_without_the_data(tmp_path):
    done = prepare_data("--data", tmp_path, "--out", "m.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Expected Training/ and Testing/ (one folder per class), or brain_tumor_mri/ holding them, in" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "m.csv").exists()


def test_prepare_data_tells_what_it_does_not_use(tmp_path):
    put(tmp_path, "data/Training/glioma/a.png", slice_of(0))
    put(tmp_path, "data/Training/no_tumor/b.png", slice_of(1))
    put(tmp_path, "data/Training/glioma/c\x1b\udcff.png", b"no image")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/prepare_data.py", "--data", tmp_path / "data", "--out", tmp_path / "m.csv"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert (
        b"\nnot used, its name is no class: Training/no_tumor\nunreadable: Training/glioma/c\\x1b\xff.png: Exp" in done.stdout
    )
    assert [i.path for i in load_manifest(tmp_path / "m.csv")] == ["Training/glioma/a.png", "Training/glioma/c\x1b\udcff.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "."], "expected a file that can be written. Received: ."),
        (["--out", "taken/m.csv"], "expected a file that can be written. Received: taken/m.csv"),
        (["--out", "m.csv", "--workers", "0"], "argument --workers: expected a whole number, 1 or more. Received: '0'"),
    ],
)
def test_prepare_data_checks_its_options_before_the_work(tmp_path, options, message):
    (tmp_path / "taken").write_text("")
    done = prepare_data("--data", tmp_path / "nowhere", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"error: {message}\n")
