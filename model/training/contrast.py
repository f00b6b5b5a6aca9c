"""Imitate another sequence: what is dark in a slice, such as fluid, turns bright, and what is in between dark.

Which tissue is bright a sequence decides, and in the training data sequences come with classes: tumors are T1-weighted after
contrast or FLAIR, but for some of Br35H's, and a third of Kaggle's healthy heads is T2-weighted. A network learns that bright
fluid means no tumor. A curve over the tones that falls and rises again makes of any slice what looks like T2. Random curves
over all tones, rising or not, are known to carry networks from one modality to another (Zhou et al., arXiv:1908.06912;
Ouyang et al., arXiv:2111.12525).
"""

import numpy as np
from scipy import ndimage

from model.training.grafting import AIR

DARK = (0.02, 0.15)  # of the tissue is darker than what turns brightest
MIDDLE = (0.5, 0.85)  # of the tissue is darker than what turns darkest
BRIGHTEST = (150.0, 255.0)  # of 255: what the dark turns to
DARKEST = (20.0, 90.0)  # what the middle turns to
TOP = (110.0, 255.0)  # what the brightest turns to
BEND = (2.0, 8.0)  # tones: how wide the bends of the curve are smoothed
BLUR = 0.6  # pixels; a steep curve would raise the noise with the rest


def recontrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The slice as another sequence might show it.

    Args:
        image: uint8 (s, s), a preprocessed slice.
        rng: draws the curve.

    Returns:
        uint8 (s, s); air stays air, and a slice without any tissue as it is.
    """
    tissue = image[image > AIR]
    if not tissue.size:
        return image
    dark, middle = np.quantile(tissue, (rng.uniform(*DARK), rng.uniform(*MIDDLE)))
    tones = np.arange(256.0)
    bends = np.maximum.accumulate((0.0, AIR, max(dark, AIR + 1.0), middle, 255.0))
    curve = np.interp(tones, bends, (0.0, AIR, rng.uniform(*BRIGHTEST), rng.uniform(*DARKEST), rng.uniform(*TOP)))
    curve = ndimage.gaussian_filter1d(curve, rng.uniform(*BEND), mode="nearest")
    curve[:AIR] = np.minimum(curve[:AIR], tones[:AIR])
    blurred = np.round(ndimage.gaussian_filter(image.astype(np.float32), BLUR)).astype(np.uint8)
    return np.round(curve).astype(np.uint8)[blurred]
