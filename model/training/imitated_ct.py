"""Imitate head CT, to learn to tell it from MRI: made of the MRI slices that there are, since there is no CT to train on.

A head in CT is known by its skull, which is the brightest there is, where MRI shows next to none of it, and by a brain that is
nearly of one gray, with dark fluid. What has learned to tell imitations from MRI finds real CT, too
(docs/experiments.md); that outliers need not be real to teach what is none of them is what Hendrycks et al.,
arXiv:1812.04606, and Tack et al., arXiv:2007.08176, found.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

from model.training.stripping import head_of

LEAST_RADIUS = 0.2  # of the side: of a smaller head there is nothing to imitate
LEAST_BRAIN = 0.01  # of the slice
SCALP = (0.0, 0.10)  # how thick, of the head's inner radius
SCALP_SHARE = 0.7  # of the slices show one; a narrow crop or window hides it
BONE = (0.06, 0.22)  # how thick, likewise
WAVES = 0.175  # of the bone's thickness: how much it varies at most, as a standard deviation
WAVE_LENGTH = 0.06  # of the side
SPONGY_SHARE = 0.3  # of the slices show marrow between two tables of bone, as wide windows do
BRAIN = (60.0, 170.0)  # tone of the brain, of 255
TISSUES = (8.0, 45.0)  # tones between its darkest and its brightest tissue
FLUID = (0.02, 0.15)  # of what lies within the skull
DARKER = (0.3, 0.8)  # fluid than the brain, at most, as a share of its tone
DENSE_SHARE = 0.25  # of the slices show blood, contrast or calcium
DENSE = 0.015  # of what lies within the skull
NOISE = (1.0, 14.0)  # tones, as a standard deviation
COARSE_SHARE, COARSE = 0.3, (0.35, 0.7)  # of the pictures, and how many pixels they have along the side, as a share


def imitations(images: np.ndarray) -> np.ndarray:
    """One of each slice, uint8 (n, s, s), that shows enough of a head: uint8 (m, s, s), the same for the same slices.

    Raises:
        ValueError: none does.
    """
    rng = np.random.default_rng(0)
    made = [coarse(imitation, rng) for image in images if (imitation := imitate_ct(image, rng)) is not None]
    return np.stack(made)


def imitate_ct(image: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """The slice as head CT might show it.

    Args:
        image: uint8 (s, s), a preprocessed slice of MRI.
        rng: draws thicknesses, tones and noise.

    Returns:
        uint8 (s, s), or None for a slice that shows too little of a head.
    """
    side = len(image)
    head = _largest(head_of(image / 255))
    depth = ndimage.distance_transform_edt(head)
    radius = depth.max()
    if radius < LEAST_RADIUS * side:
        return None
    scalp = radius * rng.uniform(*SCALP) if rng.random() < SCALP_SHARE else 0.0
    bone = radius * rng.uniform(*BONE)
    waves = ndimage.gaussian_filter(rng.normal(size=image.shape), WAVE_LENGTH * side)
    inside = depth > scalp + bone * (1.0 + rng.uniform(0.0, WAVES) * waves / waves.std())
    if inside.mean() < LEAST_BRAIN:
        return None

    tones = np.zeros(image.shape)
    tones[inside] = _brain(image, inside, rng)
    tones = ndimage.gaussian_filter(tones, rng.uniform(0.3, 0.9)) * inside
    skull = (depth > scalp) & ~inside
    tones[skull] = 255.0
    if rng.random() < SPONGY_SHARE:
        tones[skull & (np.abs(depth - scalp - bone / 2) < bone / 5)] = rng.uniform(150.0, 255.0)
    tones[head & (depth <= scalp)] = rng.uniform(10.0, 110.0)
    tones = ndimage.gaussian_filter(tones, rng.uniform(0.3, 0.7))
    noise = ndimage.gaussian_filter(rng.normal(size=image.shape), rng.uniform(0.2, 0.9))
    tones += head * noise * rng.uniform(*NOISE) / noise.std()
    return np.clip(np.round(tones), 0, 255).astype(np.uint8)


def coarse(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Some as they come out of a picture of fewer pixels, as small collections have them: uint8 (s, s), like the image."""
    if rng.random() > COARSE_SHARE:
        return image
    few = round(rng.uniform(*COARSE) * len(image))
    return np.asarray(Image.fromarray(image).resize((few, few), Image.BILINEAR).resize(image.shape, Image.BILINEAR))


def _largest(region: np.ndarray) -> np.ndarray:
    """The largest of its pieces."""
    pieces, count = ndimage.label(region)
    return pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]) if count else region


def _brain(image: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tones of what lies within the skull: those of MRI by their rank, the lowest as fluid."""
    smoothed = ndimage.gaussian_filter(image.astype(np.float32), rng.uniform(0.5, 1.5))[inside]
    rank = np.argsort(np.argsort(smoothed)) / smoothed.size
    brain, fluid = rng.uniform(*BRAIN), rng.uniform(*FLUID)
    darkening = rng.uniform(*DARKER) * np.sqrt(np.maximum(0.0, 1.0 - rank / fluid))
    tones = (brain + rng.uniform(*TISSUES) * (rank - 0.5)) * (1.0 - darkening)
    if rng.random() < DENSE_SHARE:
        tones[rank > 1.0 - DENSE] = rng.uniform(180.0, 255.0)
    return tones
