import re

import pytest

from model.training.dataset import Item
from model.training.sides import check_asked, check_branch, remember, remembered

TRAIN = Item("a", "kaggle", "Training", "glioma")
OTHER = Item("b", "br35h_tumor", "Extra", "tumor")
NEW = Item("c", "kaggle", "Training", "notumor")


def sides(**named):
    return {"train": [], "validation": [], "testing": [], "held_out": []} | named


def test_a_run_remembers_its_split(tmp_path):
    assert remembered(tmp_path / "new", [TRAIN]) is None
    remember(tmp_path / "run", sides(train=[TRAIN], held_out=[OTHER]))
    assert remembered(tmp_path / "run", [OTHER, NEW, TRAIN]) == sides(train=[TRAIN], held_out=[OTHER])


def test_a_run_is_resumed_with_what_it_was_begun_with_or_not_at_all(tmp_path):
    asked = {"protocol": "leakfree", "hold_out": [], "seed": 1, "limit": 200}
    check_asked(tmp_path / "run", asked)
    check_asked(tmp_path / "run", asked)
    message = (
        "run was begun with hold_out [], limit 200. Expected the same, or a new run. Received: hold_out ['a'], limit None"
    )
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        check_asked(tmp_path / "run", asked | {"limit": None, "hold_out": ["a"]})
    check_asked(tmp_path / "run", asked)


def test_a_run_of_before_does_not_tell_what_it_was_begun_with(tmp_path):
    remember(tmp_path / "run", sides(train=[TRAIN]))
    check_asked(tmp_path / "run", {"seed": 2})
    check_asked(tmp_path / "run", {"seed": 3})


def test_a_branch_may_not_validate_on_what_its_root_has_trained_on():
    before = sides(train=[TRAIN, OTHER], validation=[NEW])
    for name in ("validation", "testing", "held_out"):
        with pytest.raises(ValueError, match=r"^v1 has trained on 1 slices that this run validates or tests on, such as a"):
            check_branch("v1", before, sides(**{name: [TRAIN, NEW]}))
    check_branch("v1", before, sides(train=[TRAIN], validation=[NEW]))
