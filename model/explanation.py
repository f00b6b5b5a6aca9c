"""Where the network looked: the tumor's outline, the evidence for a class, and both drawn over the slice."""

import io

import cc3d
import numpy as np
from PIL import Image

from model.labels import LABELS
from model.prediction import Prediction, TumorRegion
from model.preprocessing import Frame, in_8_bits
from model.tumor_odds import log_odds

LEAST_LEVEL = 0.1  # what is less likely is no tumor, even where nothing is likelier
MARGIN = 1e-6  # a place is never surer than that, as float32 can tell
MIN_AREA_FRACTION = 0.0004  # of the network's view; smaller specks are noise
OUTLINE = (255, 176, 0)  # amber: visible on gray for every common color vision
MAX_DISPLAY_SIDE = 1024


def tumor_mask(probability: np.ndarray, frame: Frame, temperature: float = 1.0) -> np.ndarray:
    """From the network's mask, float (n, n) in [0, 1], to bool (H, W) of the input; specks are dropped.

    Args:
        temperature: of the mask's log-odds, see `tempered`.
    """
    probability = tempered(probability, temperature)
    level = level_of_best_dice(probability)
    # A border lies where the log-odds cross those of the level; outside the frame there is nothing.
    mask = np.zeros((frame.height, frame.width), bool)
    frame.crop(mask)[:] = frame.to_part(log_odds(probability, MARGIN) - log_odds(level, MARGIN), frame) > 0.0
    found = region(mask)
    if found is None:
        return mask
    part = mask[found.part]  # most of a slice is no tumor, and need not be looked through
    components = cc3d.connected_components(part, connectivity=4)
    areas = np.bincount(components.ravel())
    areas[0] = 0
    smallest = max(4.0, MIN_AREA_FRACTION * frame.side**2 / frame.aspect, 0.05 * areas.max())
    part[:] = (areas >= smallest)[components]
    return mask


def tempered(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities with their log-odds divided by a temperature: above 1 they are less sure. float32, the same shape."""
    return 1.0 / (1.0 + np.exp(-log_odds(np.asarray(probability, np.float32), MARGIN) / temperature))


def level_of_best_dice(probability: np.ndarray) -> float:
    """The level above which a mask, float (n, n) in [0, 1], is expected to overlap best with the tumor.

    Taken at their word, the k likeliest places have an expected Dice of about twice the sum of their probabilities over k and
    the sum of all. The best level is half the best Dice (Lipton et al., arXiv:1402.1892): 0.5 where all is clear, and lower
    the less clear it is.

    Returns:
        In [LEAST_LEVEL, 0.5].
    """
    likeliest = np.sort(probability[probability > LEAST_LEVEL], axis=None)[::-1].astype(np.float64)
    overlap = 2.0 * np.cumsum(likeliest) / (np.arange(1, likeliest.size + 1) + probability.sum(dtype=np.float64))
    return max(LEAST_LEVEL, float(overlap.max(initial=0.0)) / 2.0)


def region(mask: np.ndarray) -> TumorRegion | None:
    """The area and box of a bool (H, W) mask; None when it is empty."""
    rows = np.flatnonzero(mask.any(1))
    if not rows.size:
        return None
    band = mask[rows[0] : rows[-1] + 1]  # beyond it there is nothing to look for
    columns, area = np.flatnonzero(band.any(0)), int(np.count_nonzero(band))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return TumorRegion(area, area / mask.size, box)


def evidence_map(prediction: Prediction, label: str) -> np.ndarray:
    """Class activation map of any class (Zhou et al., arXiv:1512.04150) over the input: float32 (H, W), in logits.

    Its mean over the network's view is the class head's logit, before the outline had its say (`tumor_odds`): positive places
    speak for the class, negative against it.

    Raises:
        ValueError: for a label that is not one of LABELS, or a refused slice, which has no evidence.
    """
    if label not in LABELS:
        raise ValueError(f"Expected one of {', '.join(LABELS)}. Received: {label!r}")
    if prediction.evidence is None:
        raise ValueError("A refused slice has no evidence for any class.")
    return prediction.frame.to_input(prediction.evidence[..., LABELS.index(label)])


def render(pixels: np.ndarray, mask: np.ndarray | None = None) -> bytes:
    """The slice as an 8-bit PNG, windowed for viewing, with the outline of `mask`, bool (H, W), when it has any pixel."""
    image = view(pixels)
    return png(image if mask is None else draw_outline(image, mask))


def view(pixels: np.ndarray) -> Image.Image:
    """The slice in 8-bit gray, windowed for viewing, its longer side at most MAX_DISPLAY_SIDE."""
    image = Image.fromarray(in_8_bits(pixels))
    scale = min(1.0, MAX_DISPLAY_SIDE / max(image.size))
    if scale < 1.0:
        image = image.resize([max(1, round(s * scale)) for s in image.size], Image.LANCZOS)
    return image


def proportioned(image: Image.Image, aspect: float) -> Image.Image:
    """As large as the head is, of pixels that are `aspect` times as high as wide: made higher or wider, never smaller."""
    if aspect == 1.0:
        return image
    return image.resize((round(image.width / min(1.0, aspect)), round(image.height * max(1.0, aspect))), Image.BILINEAR)


def draw_outline(image: Image.Image, mask: np.ndarray) -> Image.Image:
    """The image with a line around `mask`, bool (H, W) of the input; as it is when the mask has no pixel."""
    if not mask.any():
        return image
    colors = np.array(image.convert("RGB"))
    colors[outline(mask, image.size)] = OUTLINE
    return Image.fromarray(colors)


def outline(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The line around `mask`, bool (H, W) of the input, in a picture of `size` (width, height): bool (height, width)."""
    small = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.BILINEAR)) > 127
    return _grown(small, max(1, round(max(size) / 256))) & ~small


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """Each pixel set that is at most `by` steps, along rows and columns, from a set one; worked out only around those."""
    found = region(mask)
    if found is None:
        return mask
    x0, y0, x1, y1 = found.box
    grown = mask.copy()
    around = grown[max(0, y0 - by) : y1 + by, max(0, x0 - by) : x1 + by]
    for _ in range(by):
        before = around.copy()
        around[1:] |= before[:-1]
        around[:-1] |= before[1:]
        around[:, 1:] |= before[:, :-1]
        around[:, :-1] |= before[:, 1:]
    return grown


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
