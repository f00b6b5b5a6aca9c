"""A request's files in, an answer for each slice out. The same for the page and the API."""

import base64
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from model.explanation import render
from model.prediction import Prediction, error_record
from model.reading import MAX_PIXELS, ReadError, read


@dataclass
class Answer:
    """What came of one slice of a file, or of a file that could not be read (then there is an `error`).

    Attributes:
        file: the client's name for it: echoed back, never used as a path, never logged.
        slice: its index in the file.
        image: a PNG as a data: URI, once drawn.
        timings_ms: milliseconds by stage.
    """

    file: str
    slice: int = 0
    pixels: np.ndarray | None = None
    prediction: Prediction | None = None
    error: ReadError | None = None
    image: str = ""
    timings_ms: dict[str, float] = field(default_factory=dict)

    def draw(self) -> None:
        start = time.perf_counter()
        png = render(self.pixels, self.prediction.mask)
        self.image = "data:image/png;base64," + base64.b64encode(png).decode()
        self.timings_ms["render"] = _milliseconds_since(start)

    def record(self, version: str) -> dict:
        if self.error:
            return error_record(self.file, str(self.error), version)
        timings = {stage: round(ms, 3) for stage, ms in self.timings_ms.items()}
        return self.prediction.record(self.file, self.slice, version) | {"timings_ms": timings}


def analyze(classifier, files: Iterable[tuple[str, bytes]]) -> list[Answer]:
    """Read each (name, bytes), then ask the classifier once for all slices.

    Together they may have as many pixels as one image may: small files can hold large pictures.

    Raises:
        ReadError: the first file's, when not one of them can be read.
    """
    answers = []
    room = MAX_PIXELS
    for name, data in files:
        start = time.perf_counter()
        try:
            slices = read(data, room)
        except ReadError as error:
            answers.append(Answer(name, error=error))
            continue
        room -= sum(pixels.shape[0] * pixels.shape[1] for pixels in slices)
        share = _milliseconds_since(start) / len(slices)
        answers += [Answer(name, i, pixels, timings_ms={"read": share}) for i, pixels in enumerate(slices)]
    readable = [answer for answer in answers if not answer.error]
    if not readable:
        raise answers[0].error
    predictions = classifier.predict([answer.pixels for answer in readable])
    for answer, prediction in zip(readable, predictions, strict=True):
        answer.prediction = prediction
        answer.timings_ms |= prediction.timings_ms
    return answers


def describe_timings(answers: Iterable[Answer]) -> str:
    """ "read 3 ms, infer 80 ms": each stage's total, for the log."""
    totals: dict[str, float] = {}
    for answer in answers:
        for stage, ms in answer.timings_ms.items():
            totals[stage] = totals.get(stage, 0.0) + ms
    return ", ".join(f"{stage} {total:.0f} ms" for stage, total in totals.items())


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
