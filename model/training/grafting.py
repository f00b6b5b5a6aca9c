"""Break the link between a slice's origin and its class: tumors grafted into healthy heads, healthy tissue into tumors.

In the training data, what has no tumor comes from other scanners than what has one, and a network learns the scanner. So a
share of the slices exchange tissue: a tumor is moved, along its expert mask, into a slice without one; healthy tissue replaces
a tumor; and healthy tissue replaces healthy tissue, so that a seam says nothing about the class. In the spirit of CarveMix
(Zhang et al., arXiv:2108.06883), which also moves lesions along their masks. The tones of a slice from another origin can be
taken on too (histogram matching: Gonzalez & Woods, Digital Image Processing, section 3.3); its sharpness, too (sharpness.py).
"""

import numpy as np
from scipy import ndimage

AIR = 20  # of 255; what is darker is no tissue
INSIDE = 0.85  # share of a region that must fall on tissue
SEAM = 0.02  # of the side: how wide the seam is blurred
SPREAD = 0.08  # of the side: how far from its old place a tissue is set down, as a standard deviation
TRIES = 6  # places tried for one region
GAIN = (0.6, 1.6)  # limits to how much the contrast of what is grafted may change


def graft(
    host: np.ndarray, donor: np.ndarray, region: np.ndarray, rng: np.random.Generator, move: bool = True
) -> tuple[np.ndarray, np.ndarray] | None:
    """The host with the donor's tissue in a region, matched in brightness and contrast to what lies around it.

    Args:
        host, donor: uint8 (s, s), preprocessed slices.
        region: bool (s, s), what to take of the donor.
        rng: draws the place.
        move: whether it may be set down elsewhere than where it was.

    Returns:
        The slice, uint8 (s, s), and the region where it came to lie, bool (s, s); None when it falls on too little tissue.
    """
    side = len(host)
    rows, columns = np.nonzero(region)
    if not len(rows):
        return None
    for _ in range(TRIES if move else 1):
        shift = np.round(rng.normal(0.0, SPREAD * side, 2)).astype(int) if move else np.zeros(2, int)
        there = rows + shift[0], columns + shift[1]
        if all(places.min() >= 0 and places.max() < side for places in there) and (host[there] > AIR).mean() >= INSIDE:
            break
    else:
        return None
    region, donor = (np.roll(a, shift, (0, 1)) for a in (region, donor))
    width = max(1.0, SEAM * side)
    near = ndimage.binary_dilation(region, iterations=round(width))
    ring = ndimage.binary_dilation(near, iterations=round(3 * width)) & ~near
    soft = ndimage.gaussian_filter(near.astype(np.float32), width)
    theirs, ours = (a[ring & (a > AIR)].astype(np.float32) for a in (donor, host))
    if not len(theirs) or not len(ours):
        return None
    gain = np.clip((ours.std() + 5.0) / (theirs.std() + 5.0), *GAIN)
    matched = np.clip((donor - theirs.mean()) * gain + ours.mean(), 0.0, 255.0)
    return np.round(host * (1.0 - soft) + matched * soft).astype(np.uint8), region


def restyle(image: np.ndarray, reference: np.ndarray, amount: float) -> np.ndarray:
    """The image with its tissue's tones moved towards the reference's histogram.

    Args:
        image, reference: uint8 (s, s), preprocessed slices.
        amount: 0 leaves it as it is, 1 takes on the reference's histogram.

    Returns:
        uint8 (s, s); air stays what it is.
    """
    ours, theirs = (np.bincount(a[a > AIR], minlength=256).astype(np.float64) for a in (image, reference))
    if not ours.any() or not theirs.any():
        return image
    tones = np.arange(256.0)
    matched = np.interp(np.cumsum(ours) / ours.sum(), np.cumsum(theirs) / theirs.sum(), tones)
    table = np.where(tones > AIR, (1.0 - amount) * tones + amount * matched, tones)
    return np.round(table).astype(np.uint8)[image]
