"""Slices that look like a tumor and are labeled `notumor`: nothing is learned from them, and everything else stays."""

import hashlib
import os
import runpy
import string
import sys
from pathlib import Path

import pytest

from model.training.dataset import Item, save_manifest
from model.training.doubtful import LISTED, doubtful, without_doubtful
from trees import item

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("EARLYMED_DATA", ROOT.parent / "shared" / "data")) / "brain_tumor_mri"
FIRST = next(iter(doubtful()))


def test_each_is_listed_once_with_what_is_seen():
    rows = LISTED.read_text(encoding="utf-8").splitlines()
    assert rows[0] == "sha256,file,seen"
    assert len(doubtful()) == len(rows) - 1 == 40
    for sha256, seen in doubtful().items():
        assert len(sha256) == 64 and set(sha256) <= set(string.hexdigits.lower())
        assert any(seen.startswith(word) for word in ("bright", "ring", "mass", "round"))


def test_listed_slices_are_left_out_and_the_others_keep_their_order():
    items = [Item("a", "kaggle", "Training", "notumor", sha256=text) for text in ("1" * 64, FIRST, "0" * 64)]
    assert without_doubtful(items) == [items[0], items[2]]


def test_training_leaves_them_out_and_validation_counts_them(tmp_path, monkeypatch):
    class Begun(Exception):
        pass

    def fit(data, train, validation, *_):
        raise Begun(train, validation)

    items = [item(number, label="notumor", group=number) for number in range(300)]
    save_manifest(items, tmp_path / "manifest.csv")
    main = runpy.run_path(str(ROOT / "scripts" / "train.py"))["main"]
    listed = {i.sha256 for i in items[::2]}
    monkeypatch.setitem(main.__globals__, "without_doubtful", lambda items: [i for i in items if i.sha256 not in listed])
    monkeypatch.setitem(main.__globals__, "fit", fit)
    paths = [
        "--data",
        tmp_path,
        "--manifest",
        tmp_path / "manifest.csv",
        "--run",
        tmp_path / "run",
        "--out",
        tmp_path / "m.h5",
    ]
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, paths)])
    with pytest.raises(Begun) as begun:
        main()
    train, validation = begun.value.args
    assert len(train) > 100 and not listed & {i.sha256 for i in train}
    assert listed & {i.sha256 for i in validation}
    assert len(validation) + len(train) < 300


@pytest.mark.skipif(not DATA.is_dir(), reason="no training data: EARLYMED_DATA names no folder with brain_tumor_mri")
def test_they_are_of_kaggles_training_data_without_a_tumor():
    files = (DATA / "Training" / "notumor").iterdir()
    assert set(doubtful()) <= {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
