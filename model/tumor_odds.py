"""Is there a tumor? The class head and the outline are two witnesses; what they say is weighed together.

The more the outline says, the better a tumor is told from none on scans from sources that training has not seen, and the less
well on those that it knows (docs/experiments.md). Their log-odds are added, as in a logarithmic opinion pool
(Genest & Zidek, Statistical Science 1, 1986).
"""

import numpy as np

from model.labels import NOTUMOR

PEAK_SHARE = 0.01  # of the mask's places, the likeliest: a mean over them is steadier than the one highest
LIMIT = 6.0  # of the outline's log-odds, either way: a mask that is all but certain does not overrule everything


def weigh(probabilities: np.ndarray, masks: np.ndarray, weight: float, offset: float = 0.0) -> np.ndarray:
    """The probabilities after the outline had its say in whether there is a tumor; which one, the class head says alone.

    Args:
        probabilities: (n, 4) in [0, 1], in the order of LABELS, summing to 1.
        masks: (n, m, m) in [0, 1], see `training.network.build`.
        weight: of the outline's log-odds; those of the class head weigh 1.
        offset: added to the log-odds of a tumor. Without weight and offset nothing changes.

    Returns:
        float64 (n, 4), summing to 1. Between the three tumors the shares stay as they were.
    """
    weighed = np.array(probabilities, np.float64)
    tumors = [i for i in range(weighed.shape[1]) if i != NOTUMOR]
    weighed[:, tumors] *= np.exp(weight * outline_odds(masks) + offset)[:, None]
    return weighed / weighed.sum(axis=1, keepdims=True)


def outline_odds(masks: np.ndarray) -> np.ndarray:
    """Log-odds of a tumor after masks (n, m, m) in [0, 1]: those of the mean over their likeliest places; float64 (n,)."""
    places = np.reshape(masks, (len(masks), -1))
    count = max(1, round(PEAK_SHARE * places.shape[1]))
    peak = np.partition(places, -count, axis=1)[:, -count:].mean(axis=1, dtype=np.float64)
    return np.clip(log_odds(peak), -LIMIT, LIMIT)


def log_odds(probability: np.ndarray, margin: float = 1e-9) -> np.ndarray:
    """Of probabilities, kept `margin` away from 0 and 1; of their dtype, which must be able to hold 1 - margin."""
    probability = np.clip(probability, margin, 1.0 - margin)
    return np.log(probability) - np.log1p(-probability)
