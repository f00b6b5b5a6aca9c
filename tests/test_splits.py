"""The splits made from a manifest: nothing that belongs together parts, and nothing of Testing is trained on."""

import re

import pytest

from model.training.dataset import assign, build_manifest
from trees import item, paths, put, slice_of


def many(count=600):
    """Groups of one to three slices, patients, and every third group with a slice in Testing."""
    items = []
    for number in range(count):
        group = number // 3 if number % 2 else 10_000 + number
        split = "Testing" if number % 9 == 0 else "Training"
        items.append(item(number, split=split, group=group))
    for number in range(count):
        patient = f"TCGA_XX_{number % 40:04}"
        items.append(item(number, split="Extra", source="tcga_lgg", group=20_000 + number, patient=patient))
    return items


def test_leakfree_shares_no_group_with_testing():
    split = assign(many(), "leakfree", seed=0)
    testing = {i.group for i in split["testing"]}
    assert len(split["testing"]) == 67
    assert not testing & {i.group for part in ("train", "validation", "held_out") for i in split[part]}
    left = {i.path for part in split.values() for i in part}
    dropped = [i for i in many() if i.path not in left]
    assert dropped
    assert {i.group for i in dropped} <= testing


def test_leakfree_leaves_out_a_marked_twin_of_another_group():
    items = [item(0, split="Testing"), item(1, testing_twin=True), item(2)]
    split = assign(items, "leakfree", seed=0)
    assert paths(split["train"] + split["validation"]) == {items[2].path}


@pytest.mark.parametrize("protocol", ["leakfree", "official"])
@pytest.mark.parametrize("seed", range(5))
def test_train_and_validation_share_no_group_and_no_patient(protocol, seed):
    split = assign(many(), protocol, seed)
    for key in ("group", "patient", "path"):
        train, validation = ({getattr(i, key) for i in split[part]} - {""} for part in ("train", "validation"))
        assert train
        assert validation
        assert not train & validation


# A group may hold slices of two patients, or of one and of nobody known: they must not part.
def test_a_group_that_spans_patients_stays_together():
    items = [
        item(0, split="Extra", source="tcga_lgg", patient="TCGA_AA", group=0),
        item(1, split="Extra", source="tcga_lgg", patient="TCGA_AA", group=1),
        item(2, split="Extra", source="tcga_lgg", patient="TCGA_BB", group=1),
        item(3, split="Extra", source="healthy_t1", group=0),
    ]
    sides = [{part for part, held in assign(items, "leakfree", seed).items() if held} for seed in range(50)]
    assert [len(side) for side in sides] == [1] * 50
    assert set.union(*sides) == {"train", "validation"}


def test_about_an_eighth_is_for_validation():
    split = assign([item(n) for n in range(4000)], "leakfree", seed=0)
    assert len(split["validation"]) / 4000 == pytest.approx(0.12, abs=0.02)
    assert len(split["validation"]) + len(split["train"]) == 4000


def test_the_split_depends_on_the_seed_alone():
    first, again, other = (assign(many(), "leakfree", seed) for seed in (1, 1, 2))
    assert first == again
    assert paths(first["validation"]) != paths(other["validation"])
    turned = assign(many()[::-1], "leakfree", 1)
    assert {part: paths(items) for part, items in turned.items()} == {p: paths(i) for p, i in first.items()}


def test_leaving_items_out_moves_no_other():
    whole = assign(many(), "leakfree", 3)
    part = assign([i for i in many() if i.source == "kaggle"], "leakfree", 3)
    for name in ("train", "validation", "testing"):
        assert paths(part[name]) == {i.path for i in whole[name] if i.source == "kaggle"}


# A source that is listed before shifts the numbers of the groups; sides must not hang on them.
def test_adding_a_source_moves_no_other(tmp_path):
    put(tmp_path, "brain_tumor_mri/Training/glioma/a.png", slice_of(0, 40, (4, 4, 36, 36)))
    for number in range(40):
        put(tmp_path, f"healthy_t1/{number}.png", slice_of(100 + number, 40, (4, 4, 36, 36)))
    before = assign(build_manifest(tmp_path), "leakfree", seed=0)
    for number in range(7):
        put(tmp_path, f"br35h_tumor/{number}.png", slice_of(200 + number, 40, (4, 4, 36, 36)))
    after = assign(build_manifest(tmp_path), "leakfree", seed=0)
    assert len(before["validation"]) > 0
    assert paths(before["validation"]) <= paths(after["validation"])
    assert paths(before["train"]) <= paths(after["train"])


def test_official_keeps_all_of_training():
    split = assign(many(), "official", seed=0)
    assert sum(map(len, split.values())) == len(many())
    assert {i.split for i in split["train"] + split["validation"]} == {"Training", "Extra"}
    assert paths(split["testing"]) == {i.path for i in many() if i.split == "Testing"}


def test_items_without_a_label_or_with_an_error_are_in_no_split():
    items = [item(0, label=""), item(1, error="damaged"), item(2, split="Testing", error="damaged"), item(3)]
    split = assign(items, "official", seed=0)
    assert paths(i for part in split.values() for i in part) == {items[3].path}


def test_a_source_held_out_is_seen_by_neither():
    items = [*many(60), item(1, split="Extra", source="healthy_t1", group=5000)]
    split = assign(items, "leakfree", 0, hold_out=("tcga_lgg", "healthy_t1"))
    assert {i.source for i in split["held_out"]} == {"tcga_lgg", "healthy_t1"}
    assert len(split["held_out"]) == 61
    assert {i.source for i in split["train"] + split["validation"]} == {"kaggle"}
    assert {i.source for i in split["testing"]} == {"kaggle"}


def test_what_is_nearly_the_same_as_something_held_out_is_seen_by_neither():
    items = [
        item(0, group=1),
        item(1, split="Extra", source="br35h_tumor", group=1),
        item(2, group=2),
        item(3, split="Testing", group=3),
    ]
    for protocol in ("leakfree", "official"):
        split = assign(items, protocol, 0, hold_out=["br35h_tumor"])
        assert paths(split["train"] + split["validation"]) == {items[2].path}
        assert paths(split["held_out"]) == {items[1].path}
    split = assign(items, "leakfree", 0)
    assert len(split["train"] + split["validation"]) == 3


# The annotation promises any Iterable, and `in` eats an iterator.
def test_what_is_held_out_may_be_any_iterable():
    items = [item(n, split="Extra", source=source) for n in range(3) for source in ("healthy_t1", "br35h_tumor")]
    split = assign(items, "leakfree", 0, hold_out=iter(["healthy_t1", "br35h_tumor"]))
    assert len(split["held_out"]) == 6


@pytest.mark.parametrize("protocol", ["Leakfree", "", None, "kfold"])
def test_another_protocol_is_refused(protocol):
    message = re.escape(f"Expected protocol 'leakfree' or 'official'. Received: {protocol!r}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        assign([], protocol, seed=0)
