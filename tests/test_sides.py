import pytest

from model.training.dataset import Item
from model.training.sides import check_branch, remember, remembered

TRAIN = Item("a", "kaggle", "Training", "glioma")
OTHER = Item("b", "br35h_tumor", "Extra", "tumor")
NEW = Item("c", "kaggle", "Training", "notumor")


def sides(**named):
    return {"train": [], "validation": [], "testing": [], "held_out": []} | named


def test_a_run_remembers_its_split(tmp_path):
    assert remembered(tmp_path / "new", [TRAIN]) is None
    remember(tmp_path / "run", sides(train=[TRAIN], held_out=[OTHER]))
    assert remembered(tmp_path / "run", [OTHER, NEW, TRAIN]) == sides(train=[TRAIN], held_out=[OTHER])


def test_a_branch_may_not_validate_on_what_its_root_has_trained_on():
    before = sides(train=[TRAIN, OTHER], validation=[NEW])
    for name in ("validation", "testing", "held_out"):
        with pytest.raises(ValueError, match=r"^v1 has trained on 1 slices that this run validates or tests on, such as a"):
            check_branch("v1", before, sides(**{name: [TRAIN, NEW]}))
    check_branch("v1", before, sides(train=[TRAIN], validation=[NEW]))
