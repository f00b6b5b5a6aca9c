"""A request's files in, an answer for each slice and each study out. The same for the page and the API."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from model.classifier import BATCH
from model.loose import join
from model.prediction import Prediction, unread_record
from model.reading import LIMITS, Limits, ReadError, Scan, Series, read
from model.study import Study, studies, summarize

Progress = Callable[[int, int], None]  # called with how many slices are answered, and how many there are


@dataclass
class Answer:
    """What came of one slice of a file, or of a file that gave none (then there is an `error`).

    Attributes:
        file: the client's name for it: echoed back, never used as a path, never logged.
        slice: its index in the file.
        notes: what is to be said of the whole file; its first answer has them.
        entry: in a ZIP, the name of the slice's own file.
        series: the volume or series that it lies in; a lone DICOM image has one of its own.
        upload: which of the request's files it came from, counted from 0; several may have one name.
        timings_ms: milliseconds by stage.
    """

    file: str
    slice: int = 0
    pixels: np.ndarray | None = None
    prediction: Prediction | None = None
    error: ReadError | None = None
    notes: tuple[str, ...] = ()
    entry: str = ""
    series: Series | None = None
    upload: int = 0
    timings_ms: dict[str, float] = field(default_factory=dict)

    def record(self, version: str) -> dict:
        if self.error:
            return unread_record(self.file, self.error, version, self.timings_ms)
        timings = {stage: round(ms, 3) for stage, ms in self.timings_ms.items()}
        record = self.prediction.record(self.file, self.slice, version) | {"timings_ms": timings}
        return record | {"notes": list(self.notes)} if self.notes else record


@dataclass(frozen=True)
class StudyAnswer:
    """What came of one volume or series, of a file or of several.

    Attributes:
        file: as in Answer; None when its slices came as files of their own.
        answers: its slices' answers, in order.
    """

    file: str | None
    study: Study
    answers: Sequence[Answer] = field(repr=False)

    @property
    def best(self) -> Answer | None:
        """The slice that shows the finding best; None when no tumor was found."""
        at = self.study.best_slice
        return None if at is None else self.answers[at - self.study.start]

    def record(self, version: str) -> dict:
        return self.study.record(self.file, version)


@dataclass(frozen=True)
class Analysis(Sequence):
    """What came of a request's files; a sequence of the answers.

    Attributes:
        answers: one for each slice, and for each file that could not be read, in the order sent.
        studies: one for each volume or series of more than one slice, in the order sent; then those of several files.
    """

    answers: list[Answer]
    studies: list[StudyAnswer]

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, index):
        return self.answers[index]


def analyze(
    classifier, files: Iterable[tuple[str, bytes]], limits: Limits = LIMITS, progress: Progress | None = None
) -> Analysis:
    """Read each (name, bytes), then ask the classifier for all slices, batch by batch.

    Together they may have as many pixels and slices as one file may: small files can hold large pictures.

    Args:
        progress: called with 0 and the number of slices when all is read, and after every batch that was answered.

    Raises:
        ReadError: that of the only file, when it cannot be read.
    """
    answers, scans = [], []
    for number, (name, data) in enumerate(files):
        start = time.perf_counter()
        try:
            scan, slices = open_file(name, data, limits)
        except ReadError as error:
            took = {"read": milliseconds_since(start)}
            answers.append(Answer(name, error=error, upload=number, timings_ms=took))
            continue
        for slice in slices:
            slice.upload = number
        pixels = sum(slice.pixels.shape[0] * slice.pixels.shape[1] for slice in slices)
        limits = replace(limits, max_pixels=limits.max_pixels - pixels, max_slices=limits.max_slices - len(slices))
        answers += slices
        scans.append((scan, slices))
    readable = [answer for answer in answers if not answer.error]
    if not readable and len(answers) == 1:
        raise answers[0].error
    ask(classifier, readable, progress)
    found = [study for scan, slices in scans for study in study_answers(scan, slices)]
    return Analysis(answers, found + loose_studies(scans))


def open_file(name: str, data: bytes, limits: Limits = LIMITS) -> tuple[Scan, list[Answer]]:
    """What a file holds, and an Answer without a prediction for each of its slices.

    Raises:
        ReadError: it cannot be read.
    """
    start = time.perf_counter()
    scan = read(data, limits)
    share = milliseconds_since(start) / len(scan)
    answers = [Answer(name, i, pixels, timings_ms={"read": share}) for i, pixels in enumerate(scan)]
    answers[0].notes = tuple(scan.notes)
    for answer, entry in zip(answers, scan.names, strict=False):
        answer.entry = entry
    for series in scan.series:
        for answer in answers[series.start : series.stop]:
            answer.series = series
    return scan, answers


def read_slices(name: str, data: bytes, limits: Limits = LIMITS) -> list[Answer]:
    """The answers of `open_file` alone."""
    return open_file(name, data, limits)[1]


def ask(classifier, answers: Sequence[Answer], progress: Progress | None = None) -> None:
    """Give each its prediction, as many at once as the network takes; `progress` hears of each batch that is done."""
    tell = progress or (lambda done, total: None)
    tell(0, len(answers))
    for start in range(0, len(answers), BATCH):
        batch = answers[start : start + BATCH]
        predictions = classifier.predict([answer.pixels for answer in batch])
        for answer, prediction in zip(batch, predictions, strict=True):
            answer.prediction = prediction
            answer.timings_ms |= prediction.timings_ms
        tell(start + len(batch), len(answers))


def study_answers(scan: Scan, answers: Sequence[Answer]) -> list[StudyAnswer]:
    """The studies of a file whose slices are answered."""
    found = studies(scan, [answer.prediction for answer in answers])
    return [StudyAnswer(answers[0].file, study, answers[study.start : study.stop]) for study in found]


def loose_studies(scans: Sequence[tuple[Scan, list[Answer]]]) -> list[StudyAnswer]:
    """The studies whose slices came as DICOM files of their own; their answers get the series that they form together."""
    loose = [(slices[0], scan.places[0]) for scan, slices in scans if len(scan.places) == 1]
    found = []
    for order, series in join([(answer.file, place) for answer, place in loose]):
        answers = [loose[i][0] for i in order]
        study = summarize([answer.prediction for answer in answers], series, files=[answer.file for answer in answers])
        for answer in answers:
            answer.series = series
        found.append(StudyAnswer(None, study, answers))
    return found


def describe_timings(answers: Iterable[Answer]) -> str:
    """ "read 3 ms, infer 80 ms": each stage's total, for the log."""
    totals: dict[str, float] = {}
    for answer in answers:
        for stage, ms in answer.timings_ms.items():
            totals[stage] = totals.get(stage, 0.0) + ms
    return ", ".join(f"{stage} {total:.0f} ms" for stage, total in totals.items())


def milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
