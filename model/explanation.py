"""Where the network looked: the tumor's outline, the evidence for a class, and both drawn over the slice."""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from model.labels import LABELS
from model.prediction import Prediction, TumorRegion
from model.preprocessing import Frame, to_grey, window

MASK_LEVEL = 0.5
MIN_AREA_FRACTION = 0.0004  # of the network's view; smaller specks are noise
OUTLINE = (255, 176, 0)  # amber: visible on grey for every common colour vision
MAX_DISPLAY_SIDE = 1024


def tumor_mask(probability: np.ndarray, frame: Frame) -> np.ndarray:
    """From the network's mask, float (n, n) in [0, 1], to bool (H, W) of the input; specks are dropped."""
    mask = frame.to_input(probability) >= MASK_LEVEL
    if not mask.any():
        return mask
    components, _ = ndimage.label(mask)
    areas = np.bincount(components.ravel())
    areas[0] = 0
    smallest = max(4.0, MIN_AREA_FRACTION * frame.side**2, 0.05 * areas.max())
    return (areas >= smallest)[components]


def region(mask: np.ndarray) -> TumorRegion | None:
    """The area and box of a bool (H, W) mask; None when it is empty."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    area = int(mask.sum())
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return TumorRegion(area, area / mask.size, box)


def evidence_map(prediction: Prediction, label: str) -> np.ndarray:
    """Class activation map of any class (Zhou et al., arXiv:1512.04150) over the input: float32 (H, W), in logits.

    Its mean over the network's view is the class's logit: positive places speak for the class, negative against it.

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
    image = Image.fromarray((window(to_grey(pixels)) * 255).astype(np.uint8))
    scale = min(1.0, MAX_DISPLAY_SIDE / max(image.size))
    if scale < 1.0:
        image = image.resize([max(1, round(s * scale)) for s in image.size], Image.LANCZOS)
    if mask is not None and mask.any():
        small = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(image.size, Image.BILINEAR)) > 127
        width = max(1, round(max(image.size) / 256))
        edge = ndimage.binary_dilation(small, iterations=width) & ~small
        colours = np.asarray(image.convert("RGB")).copy()
        colours[edge] = OUTLINE
        image = Image.fromarray(colours)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
