"""What tests put in the place of the network, and the small images that they send."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from model.labels import LABELS
from model.prediction import Prediction, TumorRegion
from model.preprocessing import Frame

INFO = {  # of a model.json, what the classifier goes by
    "version": "test",
    "input_size": 64,
    "temperature": 1.0,
    "uncertain_below": 0.6,
    "gate": {"threshold": 4.0, "doubtful": 2.0, "sharpness": 3.0, "others": {"ct": -2.0, "body": -1.0, "several": 1.0}},
}
TIMINGS = {"preprocess": 2.0, "infer": 80.0, "decide": 1.0}


def ok(
    label: str = "glioma", probability: float = 0.91, uncertain: bool = False, tumor: bool = False, reason: str | None = None
) -> Callable:
    def answer(pixels: np.ndarray) -> Prediction:
        probabilities = dict.fromkeys(LABELS, (1 - probability) / 3) | {label: probability}
        mask = np.zeros(pixels.shape[:2], bool)
        if tumor:
            mask[2:6, 3:8] = True
        region = TumorRegion(20, 20 / mask.size, (3, 2, 8, 6)) if tumor else None
        frame = Frame(*mask.shape, (0, 0, mask.shape[1], mask.shape[0]))
        return Prediction(
            "ok", 0.97, mask, label, probabilities, uncertain, region, reason, dict(TIMINGS), evidence_for(label), frame
        )

    return answer


def evidence_for(label: str) -> np.ndarray:
    """Evidence for the class in the left half, against it in the right; none for or against the others."""
    evidence = np.zeros((4, 4, len(LABELS)), np.float32)
    evidence[:, :2, LABELS.index(label)] = 8
    evidence[:, 2:, LABELS.index(label)] = -4
    return evidence


def refused(reason: str = "This does not look like a brain MRI slice.") -> Callable:
    def answer(pixels: np.ndarray) -> Prediction:
        return Prediction("refused", 0.02, np.zeros(pixels.shape[:2], bool), reason=reason, timings_ms=dict(TIMINGS))

    return answer


class FakeClassifier:
    """Gives `answer` for every slice, or a list's answers in turn; `calls` has the slices of each call."""

    version = "fake-1"

    def __init__(self):
        self.info = {"version": self.version, "labels": list(LABELS), "sha256": "0" * 64, "input_size": 64}
        self.answer: Callable | Sequence[Callable] = ok()
        self.calls: list[list[np.ndarray]] = []
        self.aspects: list[float] = []

    def load_closeup(self) -> None:
        """It has none."""

    def predict(self, slices: Sequence[np.ndarray], aspects: Sequence[float] | None = None) -> list[Prediction]:
        self.calls.append(list(slices))
        self.aspects += aspects or []
        answers = [self.answer] * len(slices) if callable(self.answer) else self.answer
        return [answer(pixels) for answer, pixels in zip(answers, slices, strict=True)]


def picture(format: str = "PNG", size: tuple[int, int] = (16, 12), channels: int = 1, seed: int = 0) -> bytes:
    """A small image of noise, as a file's bytes."""
    width, height = size
    shape = (height, width) if channels == 1 else (height, width, channels)
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(buffer, format)
    return buffer.getvalue()


def pages(count: int) -> bytes:
    """A TIFF of several pages, each with other pixels."""
    images = [Image.open(io.BytesIO(picture(seed=seed))) for seed in range(count)]
    buffer = io.BytesIO()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:])
    return buffer.getvalue()


def fake_network(probabilities, mask_value=0.0, gate=1.0, ct=-30.0, body=-30.0, several=-30.0):
    """An `infer` with the same answer for every slice; it keeps the batches it was given."""

    def infer(batch):
        infer.batches.append(batch.copy())
        n = len(batch)
        mask = np.zeros((n, 32, 32, 1), np.float32)
        mask[:, 8:16, 8:16] = mask_value
        return {
            "probabilities": np.tile(np.array(probabilities, np.float32), (n, 1)),
            "mask": mask,
            "evidence": np.ones((n, 4, 4, 4), np.float32),
            "gate": np.full((n, 8), gate, np.float32),
            "others": np.full((n, 3), (ct, body, several), np.float32),
        }

    infer.batches = []
    return infer


def looker(value: float, box: tuple[int, int, int, int]):
    """A close-up's network that outlines a box of 16 x 16 places; it keeps what it was shown."""

    def look(batch):
        look.batches.append(batch.copy())
        mask = np.zeros((len(batch), 16, 16, 1), np.float32)
        mask[:, box[1] : box[3], box[0] : box[2]] = value
        return {"mask": mask}

    look.batches = []
    return look
