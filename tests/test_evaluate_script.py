import argparse
import runpy
import shutil
from pathlib import Path

import pytest

from model.training.dataset import assign, build_manifest, save_manifest
from model.training.sides import remember
from synthetic import write_tree

ROOT = Path(__file__).parents[1]
script = runpy.run_path(str(ROOT / "scripts" / "evaluate.py"))
cases = script["cases_of_side"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """What is asked about for one side of a run that held Br35H's tumors out."""
    folder = tmp_path_factory.mktemp("run")
    data = write_tree(folder / "data")
    items = build_manifest(data, workers=1)
    save_manifest(items, folder / "manifest.csv")
    remember(folder / "run", assign(items, "leakfree", 4, ["br35h_tumor"]))
    options = {"data": data, "manifest": folder / "manifest.csv", "run": folder / "run", "every": 1, "masks": None}

    def ask(side, source=None):
        return cases(argparse.Namespace(**options, side=side, source=source))

    return ask


def test_one_source_of_a_side(asked):
    assert [(case.label, case.groups) for case in asked("held_out")] == [("tumor", ("source br35h_tumor",))] * 4
    assert asked("held_out", "br35h_tumor") == asked("held_out")
    kaggle = asked("testing", "kaggle")
    assert len(kaggle) == 16 and all("source kaggle" in case.groups for case in kaggle)


def test_a_source_that_is_not_there(asked):
    with pytest.raises(FileNotFoundError, match=r"Expected slices of kaggle with a side held_out in .*run\. Received: none"):
        asked("held_out", "kaggle")


def test_corruptions_need_slices_of_a_known_class(tmp_path):
    """Of a tumor of unknown type nobody can say whether a corruption made the answer wrong."""
    write_tree(tmp_path)
    (tmp_path / "only" / "tumor").mkdir(parents=True)
    shutil.copy(next((tmp_path / "br35h_tumor").iterdir()), tmp_path / "only" / "tumor")
    options = argparse.Namespace(data=tmp_path / "only", manifest=None, run=None, side=None, source=None, every=1, masks=None)
    with pytest.raises(FileNotFoundError, match=r"^Expected slices of a known class, to corrupt\. Received: 1 of none$"):
        script["measure_corruptions"](None, options)
