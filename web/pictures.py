"""What the page shows of a slice: pictures as data: URIs, and what its viewer lays over them."""

import base64
import io
import zlib

import numpy as np
from PIL import Image

from model.explanation import OUTLINE, draw_outline, outline, proportioned, region, view
from model.overlay import COLORS, FAINTEST, overlaid
from model.prediction import Prediction
from web.analysis import Answer

LARGE, MEDIUM, SMALL = 1024, 512, 96  # longest sides: a slice alone, one of many, in a table
QUALITY, FAITHFUL = 88, 100  # of JPEG: a study has many slices; of one alone no gray is off by more than one step of 255


def as_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def jpeg_uri(image: Image.Image, quality: int = QUALITY) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return as_uri(out.getvalue(), "image/jpeg")


def shown(pixels: np.ndarray, side: int, aspect: float = 1.0) -> Image.Image:
    """The slice in 8-bit gray, windowed for viewing, in its true proportions, its longer side at most `side`."""
    return within(side, proportioned(view(pixels), aspect))


def within(side: int, image: Image.Image) -> Image.Image:
    image.thumbnail((side, side), Image.LANCZOS)
    return image


def plain(answer: Answer, side: int) -> str:
    """The slice as it came."""
    return jpeg_uri(shown(answer.pixels, side, answer.aspect))


def outlined(answer: Answer, side: int) -> str:
    """The slice with the outline, where there is one."""
    return jpeg_uri(draw_outline(shown(answer.pixels, side, answer.aspect), answer.prediction.mask))


def explained(answer: Answer, label: str, side: int) -> str:
    """The slice with the evidence for a class and the outline."""
    image = proportioned(overlaid(answer.pixels, answer.prediction, label), answer.aspect)
    return jpeg_uri(within(side, image).convert("RGB"))


def layers(pixels: np.ndarray, prediction: Prediction, side: int, aspect: float = 1.0) -> dict:
    """What the viewer draws: the plain slice, and what lies over it; plain types, ready for JSON.

    `width` and `height` are the picture's. `outline` is a picture of the line alone, whose upper left corner lies `outline_at`
    (x, y) of it. `evidence` is the network's own coarse map, base64 of uint8 (4, n, n): 128 is nil,
    255 the slice's strongest evidence for any class, less than 128 speaks against the class. `square` (x, y, side) says where
    the map lies in the picture and `box` (x0, y0, x1, y1) which part of it the network saw, both as fractions of its width.
    The picture shows the head in its true proportions, whose pixels are `aspect` times as high as wide.
    """
    image = shown(pixels, side, aspect)
    found = {
        "width": image.width,
        "height": image.height,
        "image": jpeg_uri(image, FAITHFUL if side > MEDIUM else QUALITY),
        "evidence": None,
        **line_around(prediction.mask, image.size),
    }
    if prediction.evidence is None:
        return found
    frame = prediction.frame
    x0, y0, x1, y1 = np.multiply(frame.box, [1, aspect, 1, aspect]).tolist()
    left, top = (x0 + x1 - frame.side) / 2, (y0 + y1 - frame.side) / 2
    strongest = max(float(prediction.evidence.max()), FAINTEST)
    values = np.clip(prediction.evidence.transpose(2, 0, 1) / strongest, -1.0, 1.0) * 127 + 128
    return found | {
        "evidence": base64.b64encode(values.round().astype(np.uint8).tobytes()).decode(),
        "square": [part / frame.width for part in (left, top, frame.side)],
        "box": [part / frame.width for part in (x0, y0, x1, y1)],
    }


def line_around(mask: np.ndarray, size: tuple[int, int]) -> dict:
    """`outline` and `outline_at` of `layers`, for a picture of `size`; None and nothing where there is no line.

    The line lies on a transparent ground, with a margin of one pixel, for it may be enlarged. The PNG is packed in the least
    time, for it does not go far.
    """
    line = outline(mask, size)
    place = region(line)
    if place is None:
        return {"outline": None}
    x0, y0, x1, y1 = place.box
    left, top = max(0, x0 - 1), max(0, y0 - 1)
    picture = Image.fromarray(line[top : y1 + 1, left : x1 + 1].astype(np.uint8))
    picture.putpalette([0, 0, 0, *OUTLINE])
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1, compress_type=zlib.Z_RLE, bits=1, transparency=0)
    return {"outline": as_uri(out.getvalue(), "image/png"), "outline_at": [left, top]}


def colors() -> str:
    """The colors of the evidence, base64 of uint8 (256, 3)."""
    return base64.b64encode(COLORS).decode()
