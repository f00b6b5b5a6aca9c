"""Pictures of an answer: the evidence for a class in color over the slice, and the mask as a file."""

import io

import numpy as np
from PIL import Image

from model.explanation import draw_outline, evidence_map, png, view
from model.prediction import Prediction

OPACITY = 0.6
FAINTEST = 1.0  # logit; where no class has more evidence than this anywhere, none is shown in full color
# From little to much evidence: nine colors with equal steps of CIE L*a*b* (about 13), lightness 28 to 93, from blue to
# pale cyan. Blue is told from gray and from the amber outline by every common color vision, and dark from light by all.
ANCHORS = (
    (57, 55, 140), (37, 79, 164), (0, 103, 185), (0, 127, 201), (0, 151, 214),
    (29, 175, 223), (86, 199, 230), (135, 223, 237), (185, 246, 247),
)  # fmt: skip


def color_table(anchors=ANCHORS) -> np.ndarray:
    """The color of each of 256 levels: uint8 (256, 3)."""
    places = np.linspace(0, 255, len(anchors))
    channels = [np.interp(np.arange(256), places, values) for values in np.transpose(anchors)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


COLORS = color_table().tobytes()


def overlay(
    pixels: np.ndarray,
    prediction: Prediction,
    label: str | None = None,
    outline: bool = True,
    evidence: bool = True,
    opacity: float = OPACITY,
) -> bytes:
    """`overlaid` as an 8-bit PNG."""
    return png(overlaid(pixels, prediction, label, outline, evidence, opacity))


def overlaid(
    pixels: np.ndarray,
    prediction: Prediction,
    label: str | None = None,
    outline: bool = True,
    evidence: bool = True,
    opacity: float = OPACITY,
) -> Image.Image:
    """The slice, windowed for viewing, with the evidence for a class and the tumor's outline over it.

    Evidence that speaks for the class is colored, the stronger the lighter and the less transparent; where there is none,
    or it speaks against, the slice shows as it is. The scale is one slice's, the same for its four classes: the strongest
    evidence for any of them has the last color. So the maps of a slice's classes can be compared, those of two slices not.

    Args:
        pixels: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), as the prediction was made from; neither is changed.
        label: one of LABELS; by default the answer's own.
        opacity: of the strongest evidence, in [0, 1].

    Raises:
        ValueError: for another label or opacity, and for the evidence of a refused slice, which has none.
    """
    if not 0.0 <= opacity <= 1.0:
        raise ValueError(f"Expected an opacity from 0 to 1. Received: {opacity!r}")
    image = view(pixels)
    if evidence:
        levels = Image.fromarray(evidence_levels(prediction, label or prediction.label)).resize(image.size, Image.BILINEAR)
        alpha = levels.point([round(opacity * min(255, 2 * level)) for level in range(256)])  # full from half the scale on
        image = Image.composite(_colored(levels), image.convert("RGB"), alpha)
    if outline:
        image = draw_outline(image, prediction.mask)
    return image


def evidence_levels(prediction: Prediction, label: str) -> np.ndarray:
    """The evidence for a class over the input: uint8 (H, W), 0 where it is nil or negative, 255 for the slice's strongest."""
    values = evidence_map(prediction, label)
    strongest = max(float(prediction.evidence.max()), FAINTEST)
    return (np.clip(values / strongest, 0.0, 1.0) * 255).astype(np.uint8)


def mask_png(mask: np.ndarray) -> bytes:
    """A bool (H, W) mask as a 1-bit PNG of its size."""
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "PNG", bits=1)
    return out.getvalue()


def _colored(levels: Image.Image) -> Image.Image:
    image = levels.copy()
    image.putpalette(COLORS)  # makes it mode P
    return image.convert("RGB")
