"""How sharp a slice is, frequency by frequency, and how to make it as sharp as another.

What was scanned, scaled and compressed differently differs in how much fine detail it holds, whatever it shows; a network that
may, learns that. A spectrum's amplitudes carry the style of a picture, its phases what is seen (Xu et al., arXiv:2105.11120,
who exchange all of the amplitudes; here they are only scaled, the same in all directions, so that nothing of the other shows).
"""

from functools import cache

import numpy as np

LIMIT = 5.0  # times: how much a frequency may be raised, or lowered


def amplitudes(image: np.ndarray) -> np.ndarray:
    """The sum of the amplitudes of all waves of about the same frequency.

    Args:
        image: uint8 (s, s), a preprocessed slice.

    Returns:
        float64 (f,), f > s / 2, by how often the wave repeats over the side, rounded; the first is the mean's.
    """
    return _sums(np.fft.rfft2(image.astype(np.float32)))


def refocus(image: np.ndarray, reference: np.ndarray, amount: float) -> np.ndarray:
    """The image made as sharp, or as blurred, as the reference, at the same brightness and contrast.

    Args:
        image, reference: uint8 (s, s), preprocessed slices.
        amount: 0 leaves it as it is, 1 takes on the reference's amplitudes.

    Returns:
        uint8 (s, s) of the same mean; phases stay what they are.
    """
    spectrum = np.fft.rfft2(image.astype(np.float32))
    ours, theirs = _sums(spectrum) + 1.0, amplitudes(reference) + 1.0
    ratio = (theirs / theirs[1:].sum()) / (ours / ours[1:].sum())
    factor = np.clip(ratio, 1.0 / LIMIT, LIMIT) ** amount
    factor[0] = 1.0
    sharpened = np.fft.irfft2(spectrum * factor[_frequencies(len(image))], image.shape)
    return np.round(np.clip(sharpened, 0.0, 255.0)).astype(np.uint8)


def _sums(spectrum: np.ndarray) -> np.ndarray:
    return np.bincount(_frequencies(len(spectrum)).ravel(), np.abs(spectrum).ravel())


@cache
def _frequencies(side: int) -> np.ndarray:
    """int (side, side // 2 + 1): how often each wave of a real spectrum repeats over the side, rounded."""
    return np.round(np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) * side).astype(int)
