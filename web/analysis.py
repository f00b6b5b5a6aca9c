"""A request's files in, an answer for each slice and each study out. The same for the page and the API."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from model.classifier import BATCH
from model.loose import Loose, join
from model.prediction import Prediction, unread_record
from model.reading import LIMITS, Budget, Limits, ReadError, Series, read_within
from model.study import Study, summarize

Progress = Callable[[int, int], None]  # called with how many slices are answered, and how many there are


@dataclass
class Answer:
    """What came of one slice of a file, or of a file that gave none (then there is an `error`).

    Attributes:
        file: the client's name for it: echoed back, never used as a path, never logged.
        slice: its index in the file.
        notes: what is to be said of the whole file; its first answer has them.
        entry: in a ZIP, the name of the slice's own file.
        series: the volume or series that it lies in, of its file or of several; a lone DICOM image has one of its own.
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

    @property
    def aspect(self) -> float:
        """How many times as high as wide a pixel is."""
        return self.series.pixel_aspect if self.series else 1.0

    def record(self, version: str) -> dict:
        if self.error:
            return unread_record(self.file, self.error, version, self.timings_ms)
        timings = {stage: round(ms, 3) for stage, ms in self.timings_ms.items()}
        record = self.prediction.record(self.file, self.slice, version, self.entry) | {"timings_ms": timings}
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


@dataclass(frozen=True)
class Volume:
    """The slices of one volume or series, of a file or of several.

    Attributes:
        file: as in Answer; None when its slices came as files of their own.
        answers: of its slices, in order.
    """

    file: str | None
    series: Series
    answers: Sequence[Answer] = field(repr=False)

    def study(self) -> StudyAnswer:
        """To be asked when they are answered."""
        files = [answer.file for answer in self.answers] if self.file is None else ()
        study = summarize([answer.prediction for answer in self.answers], self.series, files)
        return StudyAnswer(self.file, study, self.answers)


def analyze(
    classifier, files: Iterable[tuple[str, bytes]], limits: Limits = LIMITS, progress: Progress | None = None
) -> Analysis:
    """Read each (name, bytes), then ask the classifier for all slices, batch by batch.

    Args:
        progress: called with 0 and the number of slices when all is read, and after every batch that was answered.

    Raises:
        ReadError: that of the only file, when it cannot be read.
    """
    answers, volumes = open_files(files, limits)
    readable = [answer for answer in answers if not answer.error]
    if not readable and len(answers) == 1:
        raise answers[0].error
    ask(classifier, readable, progress)
    return Analysis(answers, [volume.study() for volume in volumes])


def open_files(files: Iterable[tuple[str, bytes]], limits: Limits = LIMITS) -> tuple[list[Answer], list[Volume]]:
    """An Answer without a prediction for each slice of each (name, bytes), or with its error for a file that cannot be read.

    Together they may have as many slices and pixels, and unpack to as many bytes, as one file may: small files can hold
    large pictures.

    Returns:
        The answers in the order sent, and the volumes and series of more than one slice: those of single files, then those
        whose slices came as files of their own.
    """
    answers, volumes, loose, earlier = [], [], [], None
    for number, (name, data) in enumerate(files):
        start = time.perf_counter()
        try:
            budget = Budget(limits, len(data), earlier)
            scan = read_within(budget, data)
        except ReadError as error:
            took = {"read": milliseconds_since(start)}
            answers.append(Answer(name, error=error, upload=number, timings_ms=took))
            continue
        earlier = budget
        share = milliseconds_since(start) / len(scan)
        slices = [Answer(name, i, pixels, upload=number, timings_ms={"read": share}) for i, pixels in enumerate(scan)]
        slices[0].notes = tuple(scan.notes)
        for answer, entry in zip(slices, scan.names, strict=False):
            answer.entry = entry
        volumes += [Volume(name, series, slices[series.start : series.stop]) for series in scan.series]
        if len(scan.places) == 1:
            loose.append((slices[0], Loose(name, scan.places[0], scan.series[0].origin)))
        answers += slices
    for order, series in join([file for _, file in loose]):
        volumes.append(Volume(None, series, [loose[i][0] for i in order]))
    for volume in volumes:
        for answer in volume.answers:
            answer.series = volume.series  # last the one that it forms with others
    return answers, [volume for volume in volumes if len(volume.series) > 1]


def ask(classifier, answers: Sequence[Answer], progress: Progress | None = None) -> None:
    """Give each its prediction, as many at once as the network takes; `progress` hears of each batch that is done."""
    tell = progress or (lambda done, total: None)
    tell(0, len(answers))
    for start in range(0, len(answers), BATCH):
        batch = answers[start : start + BATCH]
        predictions = classifier.predict([answer.pixels for answer in batch], [answer.aspect for answer in batch])
        for answer, prediction in zip(batch, predictions, strict=True):
            answer.prediction = prediction
            answer.timings_ms |= prediction.timings_ms
        tell(start + len(batch), len(answers))


def describe_timings(answers: Iterable[Answer]) -> str:
    """ "read 3 ms, infer 80 ms": each stage's total, for the log."""
    totals: dict[str, float] = {}
    for answer in answers:
        for stage, ms in answer.timings_ms.items():
            totals[stage] = totals.get(stage, 0.0) + ms
    return ", ".join(f"{stage} {total:.0f} ms" for stage, total in totals.items())


def milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
