"""A second look at what was outlined: a close-up of it, in which a second network draws the outline anew.

The mask that VGG16's decoder draws has half the side of what the network sees, and an outline of few places is as smooth as a
pebble. A close-up shows the same tumor in several times as many pixels. That a first look finds what a second one, cropped
around it, draws is an old idea of segmentation (Zhou et al., arXiv:1612.08230).
"""

import numpy as np

from model.preprocessing import Frame, preprocess_part, square_resize
from model.tumor_odds import log_odds

REACH = 1.7  # sides of the outline's box
LEAST_SIDE, MARGIN_SIDE = 0.22, 0.06  # of the slice's: a speck needs its surroundings, and a large tumor a margin
SUREST = 1e-4  # a place is no surer than that


def around(outlined: tuple[int, int, int, int], frame: Frame, scale: float = 1.0) -> Frame:
    """Where to look closely: a square around what was outlined, within the network's view.

    Args:
        outlined: the outline's box (x0, y0, x1, y1) in pixels of the input, half open.
        frame: of the network's view.
        scale: of the square's side; training looks a little further, so that it can turn and shift what it sees.
    """
    x0, y0, x1, y1 = outlined
    side = max(x1 - x0, (y1 - y0) * frame.aspect) * REACH + MARGIN_SIDE * frame.side
    side = scale * max(side, LEAST_SIDE * frame.side)
    left, top, right, bottom = frame.box
    wide, high = side / 2, side / 2 / frame.aspect
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    box = max(left, round(x - wide)), max(top, round(y - high)), min(right, round(x + wide)), min(bottom, round(y + high))
    return Frame(frame.height, frame.width, box, frame.aspect)


def view(pixels: np.ndarray, probability: np.ndarray, frame: Frame, closeup: Frame, side: int) -> np.ndarray:
    """What the second network sees: the slice, and how likely a tumor the first look takes each place for.

    Args:
        pixels: the input, as `preprocess` was given it.
        probability: of the first look, float (n, n) in [0, 1].
        frame: the first look's; closeup: see `around`.
        side: of the close-up, in pixels.

    Returns:
        float32 (side, side, 2): gray in [0, 1], and log-odds from 0, which is nothing at all, to 1. What pads it is 0.
    """
    lowest = log_odds(np.float64(SUREST))
    odds = log_odds(np.asarray(probability, np.float32), np.float32(SUREST))
    sure = frame.to_part((odds - lowest) / (-2 * lowest), closeup)
    gray = preprocess_part(pixels, frame, closeup, side)
    return np.stack([gray, square_resize(sure, side, closeup.aspect)], axis=-1)
