"""What is fitted on validation slices once the weights are there: how sure an answer sounds, and when it is uncertain."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from model.classifier import calibrate
from model.labels import LABELS, NOTUMOR
from model.training.batches import shares
from model.training.dataset import ANY_TUMOR, Item
from model.tumor_odds import log_odds, weigh

OUTLINE_WEIGHT = 0.25  # on sources held out more is better, on known ones less is (scripts/compare_odds.py)
OFFSET_LIMIT = 2.0  # either way: a few validation slices must not outweigh what was learned
ACCEPTED_RISK = 0.02  # share of wrong answers among those not called uncertain, on validation


def calibration(
    probabilities: np.ndarray, masks: np.ndarray, items: Sequence[Item], weight: float = OUTLINE_WEIGHT
) -> dict[str, float]:
    """`outline_weight`, `tumor_offset`, `temperature` and `uncertain_below`, as model.json holds them.

    Args:
        probabilities: (n, 4), what the class head says of validation slices.
        masks: (n, m, m) in [0, 1], what the decoder says of them.
        items: the n slices; those of a tumor of unknown type play a part in the offset alone.
        weight: of the outline, see `tumor_odds.weigh`.
    """
    known = np.array([i.label != ANY_TUMOR for i in items])
    truth = np.array([LABELS.index(i.label) for i in items if i.label != ANY_TUMOR], int)
    offset = fit_offset(weigh(probabilities, masks, weight), items)
    weighed = weigh(probabilities, masks, weight, offset)[known]
    temperature = fit_temperature(weighed, truth)
    return {
        "outline_weight": weight,
        "tumor_offset": offset,
        "temperature": round(temperature, 4),
        "uncertain_below": round(risk_threshold(calibrate(weighed, temperature), truth, ACCEPTED_RISK), 4),
    }


def fit_offset(probabilities: np.ndarray, items: Sequence[Item]) -> float:
    """What to add to the log-odds of a tumor, to four digits, so that what is even is a tumor as often as not.

    Training sees more tumors than there are in its sources: what it grafts makes many a healthy slice one. The offset is that
    of Platt's scaling (Advances in Large Margin Classifiers, 1999); its slope is left to the temperature. Sources and classes
    weigh as training draws them. 0 where the slices do not tell: all have a tumor, none has, or the network cannot tell them.

    Args:
        probabilities: (n, 4), after the outline had its say.
        items: the n slices.
    """
    tumor = np.array([i.label != LABELS[NOTUMOR] for i in items])
    if tumor.all() or not tumor.any():
        return 0.0
    odds = -log_odds(probabilities[:, NOTUMOR])
    line = LogisticRegression(C=1e6).fit(odds[:, None], tumor, sample_weight=shares(list(items)) * len(items))
    slope, intercept = line.coef_[0, 0], line.intercept_[0]
    return round(float(np.clip(intercept / slope, -OFFSET_LIMIT, OFFSET_LIMIT)), 4) if slope > 0 else 0.0


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood (Guo et al., arXiv:1706.04599), searched to 1 %."""
    candidates = np.exp(np.arange(np.log(0.3), np.log(5.0), 0.01))
    rows = np.arange(len(truth))
    losses = [-np.log(np.clip(calibrate(probabilities, t)[rows, truth], 1e-12, 1.0)).mean() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def risk_threshold(probabilities: np.ndarray, truth: np.ndarray, risk: float) -> float:
    """The smallest confidence above which at most `risk` of the answers are wrong (0.99 when there is none)."""
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != truth
    for candidate in np.arange(0.30, 0.99, 0.01):
        accepted = confidence >= candidate
        if accepted.any() and wrong[accepted].mean() <= risk:
            return round(float(candidate), 2)
    return 0.99
