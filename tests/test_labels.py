"""The four classes, their order and what people read."""

import dataclasses
import re

import pytest

from model import labels
from model.labels import CLASSES, DISPLAY, LABELS, MEANING, NOTUMOR, Label


def test_the_order_is_fixed():
    assert LABELS == ("glioma", "meningioma", "notumor", "pituitary")
    assert tuple(c.key for c in CLASSES) == LABELS
    assert NOTUMOR == 2


@pytest.mark.parametrize(
    ("key", "display", "meaning"),
    [
        ("glioma", "Glioma", "glial"),
        ("meningioma", "Meningioma", "membranes around the brain"),
        ("notumor", "No tumor", "cannot rule out a tumor elsewhere"),
        ("pituitary", "Pituitary tumor", "pituitary gland"),
    ],
)
def test_names_and_meanings(key, display, meaning):
    assert DISPLAY[key] == display
    assert meaning in MEANING[key]
    assert re.fullmatch(r"The slice looks like those with(out)? .*\.", MEANING[key])


def test_display_and_meaning_cover_every_label_in_order():
    assert tuple(DISPLAY) == tuple(MEANING) == LABELS
    assert len(set(DISPLAY.values())) == len(set(MEANING.values())) == 4


def test_a_label_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLASSES[0].key = "other"
    assert isinstance(labels.CLASSES, tuple)
    assert Label("a", "A", "b") == Label("a", "A", "b")
