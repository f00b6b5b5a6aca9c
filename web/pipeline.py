"""What happens to a slice, step by step, in pictures that the served model and the project's own functions make."""

import io
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from flask import Flask
from PIL import Image

from model.explanation import draw_outline, view
from model.gate import look
from model.overlay import overlay
from model.prediction import Prediction
from model.preprocessing import Frame, preprocess
from model.reading import read

SAMPLES = Path(__file__).parents[1] / "static" / "samples"
ORDER = ("meningioma", "glioma", "pituitary", "notumor")  # whose sample is shown, if the model finds it
OTHER = "letter.png"  # what is no brain MRI slice
SIDE = 384  # pixels, the longest a picture may have
TINT = (1.0, 0.55, 0.2)  # of the copy in color

_lock = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """A JPEG, its size in pixels."""

    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True)
class Walk:
    """One sample's way through the pipeline.

    Attributes:
        label: what the collection calls the sample.
        prediction: the served model's answer.
        frame: what was cropped.
        pictures: by step: original, cropped, prepared, evidence, outline; and of what is refused.
        refusals: the name of a picture, and why it is refused; those that are.
    """

    label: str
    prediction: Prediction
    frame: Frame
    pictures: dict[str, Picture]
    refusals: dict[str, str]


def walk_of(app: Flask) -> Walk:
    """The walk of the app's model, made at the first call and kept in memory."""
    with _lock:
        if "walk" not in app.extensions:
            app.extensions["walk"] = walk(app.extensions["classifier"])
        return app.extensions["walk"]


def walk(classifier) -> Walk:
    """Show the steps of the first sample that the model knows well, and what it refuses."""
    label, pixels, prediction = best_sample(classifier)
    prepared, frame = preprocess(pixels, classifier.info["input_size"])
    pictures = {
        "original": picture(Image.fromarray(pixels)),
        "cropped": picture(Image.fromarray(frame.crop(pixels))),
        "prepared": picture(Image.fromarray((prepared * 255).astype(np.uint8))),
        "outline": picture(draw_outline(view(pixels), prediction.mask)),
    }
    if prediction.evidence is not None:
        drawn = overlay(pixels, prediction, prediction.label, outline=False)
        pictures["evidence"] = picture(Image.open(io.BytesIO(drawn)))
    others = {"other": pixels_of(OTHER), "colored": colored(pixels)}
    reasons = {"other": classifier.predict([others["other"]])[0].reason, "colored": look(others["colored"])}
    refusals = {name: reason for name, reason in reasons.items() if reason}
    pictures |= {name: picture(Image.fromarray(others[name])) for name in refusals}
    return Walk(label, prediction, frame, pictures, refusals)


def best_sample(classifier) -> tuple[str, np.ndarray, Prediction]:
    """The first sample that gets its own class, with certainty and an outline; else the one that comes closest to that."""
    asked = []
    for label in ORDER:
        pixels = pixels_of(f"{label}.jpg")
        (answer,) = classifier.predict([pixels])
        asked.append((label, pixels, answer))
        if not any(shortcomings(label, answer)):
            return asked[-1]
    return min(asked, key=lambda sample: shortcomings(sample[0], sample[2]))


def shortcomings(label: str, answer: Prediction) -> tuple[bool, ...]:
    """Refused, wrong, uncertain, without an outline: the first is the worst."""
    return (answer.status != "ok", answer.label != label, answer.uncertain, answer.tumor is None)


def colored(pixels: np.ndarray) -> np.ndarray:
    """A slice in a warm tint: uint8 (H, W, 3)."""
    gray = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    return (gray[..., None] * np.array(TINT, np.float32)).astype(np.uint8)


def pixels_of(name: str) -> np.ndarray:
    return read((SAMPLES / name).read_bytes())[0]


def picture(image: Image.Image) -> Picture:
    image = image.convert("RGB" if image.mode not in ("L", "RGB") else image.mode)
    image.thumbnail((SIDE, SIDE), Image.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return Picture(out.getvalue(), image.width, image.height)
