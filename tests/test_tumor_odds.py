"""The class head's word and the outline's, weighed together."""

import numpy as np
import pytest

from model.labels import LABELS, NOTUMOR
from model.tumor_odds import LIMIT, outline_odds, weigh

ROW = np.array([[0.5, 0.1, 0.2, 0.2]])  # log-odds of a tumor: log(4)


def mask(value: float, places: int, side: int = 40) -> np.ndarray:
    """A mask of one slice, `value` at so many places and 0 elsewhere; 16 places are a hundredth of it."""
    one = np.zeros(side * side, np.float32)
    one[:places] = value
    return np.random.default_rng(0).permutation(one).reshape(1, side, side)


def test_the_outlines_odds_are_those_of_the_hundredth_of_its_places_that_are_likeliest():
    assert outline_odds(mask(0.8, 16)) == pytest.approx([np.log(4)], abs=1e-5)
    assert outline_odds(mask(0.8, 400)) == pytest.approx([np.log(4)], abs=1e-5)
    assert outline_odds(mask(0.8, 8)) == pytest.approx([np.log(0.4 / 0.6)], abs=1e-5)


def test_the_outline_alone_is_never_certain():
    assert outline_odds(mask(1.0, 1600)).tolist() == [LIMIT]
    assert outline_odds(mask(0.0, 0)).tolist() == [-LIMIT]


def test_the_odds_of_both_are_added():
    weighed = weigh(ROW, mask(0.9, 16), 0.5)  # log(4) and half of log(9): 4 times 3 to 1
    assert weighed.shape == (1, 4)
    assert weighed[0, NOTUMOR] == pytest.approx(1 / 13, abs=1e-5)
    assert weighed.sum() == pytest.approx(1.0, abs=1e-12)


def test_an_offset_shifts_the_odds_of_a_tumor():
    weighed = weigh(ROW, mask(0.9, 16), 0.5, np.log(0.5))  # of 12 to 1, half
    assert weighed[0, NOTUMOR] == pytest.approx(1 / 7, abs=1e-5)
    assert weigh(ROW, mask(0.9, 16), 0.0, -0.7)[0, [0, 1]] @ [1, -5] == pytest.approx(0.0, abs=1e-12)


def test_between_the_tumors_nothing_shifts():
    weighed = weigh(ROW, mask(0.01, 1600), 1.0)[0]
    tumors = [i for i in range(len(LABELS)) if i != NOTUMOR]
    assert weighed[tumors] / weighed[tumors].sum() == pytest.approx(ROW[0, tumors] / ROW[0, tumors].sum(), abs=1e-12)
    assert weighed[NOTUMOR] == pytest.approx(1 / (1 + 4 / 99), abs=1e-4)


def test_without_weight_the_class_head_answers_alone_and_its_answer_is_not_changed():
    before = ROW.copy()
    assert weigh(ROW, mask(1.0, 1600), 0.0) == pytest.approx(before, abs=1e-12)
    weigh(ROW, mask(1.0, 1600), 1.0)
    assert np.array_equal(ROW, before)


@pytest.mark.parametrize("sure", [[0, 0, 1, 0], [1, 0, 0, 0]])
def test_certainty_gives_no_infinity(sure):
    weighed = weigh(np.array([sure], np.float32), mask(1.0, 1600), 0.5)
    assert np.isfinite(weighed).all()
    assert weighed.argmax() == np.argmax(sure)
    assert weighed.sum() == pytest.approx(1.0)


def test_each_slice_has_its_own_mask():
    both = weigh(ROW.repeat(2, axis=0), np.concatenate([mask(0.9, 16), mask(0.1, 16)]), 1.0)
    assert both[:, NOTUMOR] == pytest.approx([1 / 37, 1 / (1 + 4 / 9)], abs=1e-5)
