"""From many files to answers: read ahead in threads, answered in batches, given back in order.

    for answer in answer_files(classifier, sources, jobs=4):
        print(answer.record)

Three stages run beside each other: `jobs` threads read and decode, the caller's thread gathers batches and takes the
answers, as many threads as there are jobs and cores ask the model, and of several jobs one more: while one crops slices and
draws outlines, no core waits for it. Pillow, NumPy, zlib and the engines let go of the interpreter while they work. What is
decoded and not yet answered is bounded: `jobs` files, and the batches that wait. A volume's slices are kept until its last
one is answered.
"""

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from model.engines.processor import cores
from model.prediction import Prediction, error_record, unread_record
from model.reading import LIMITS, Budget, Limits, OverLimit, ReadError, Scan, read
from model.study import Study, studies

BATCH = 4  # slices that the model is asked about in one call: the fewer there are, the fewer lie decoded
FEW = 16  # files for each job: no more, and the first ones are there sooner when all cores work on each
WAKE = 0.5  # seconds
MAX_BATCH_VALUES = 100_000_000  # decoded, so that a folder of large pictures does not fill the memory


@dataclass(frozen=True)
class Source:
    """One input: its name in the record, and where its bytes are (None for standard input)."""

    name: str
    path: Path | None

    def content(self, limits: Limits = LIMITS) -> bytes:
        """Its bytes. A file of more than the limits allow is not read, standard input only until it is more.

        Raises:
            OverLimit: there are more.
            OSError: the file cannot be opened.
        """
        if self.path is not None:
            Budget(limits, self.path.stat().st_size)
            return self.path.read_bytes()
        data = sys.stdin.buffer.read(limits.max_bytes + 1)
        if len(data) > limits.max_bytes:
            raise OverLimit(f"Expected at most {limits.max_bytes:,} bytes. Received: more.")
        return data


@dataclass
class Answer:
    """What came of one slice of a source, or of a source that cannot be read or is of another modality.

    Attributes:
        of: how many answers its source has.
        notes: what is to be said of the whole source; its first answer has them.
        entry: in a ZIP, the name of the slice's own file.
        pixels, prediction: None when there is no slice.
        aspect: how many times as high as wide a pixel is.
        scan: what the source holds, when there is a volume or series of several slices in it; else None.
        predictions: of all slices of the scan; its last answer has them, the others have none.
        place, origin: of a DICOM file's only slice, its dicom.DicomPlace and DicomOrigin; else None.
    """

    source: Source
    index: int = 0
    of: int = 1
    read_ms: float = 0.0
    notes: tuple[str, ...] = ()
    entry: str = ""
    pixels: np.ndarray | None = None
    aspect: float = 1.0
    prediction: Prediction | None = None
    record: dict | None = None
    scan: Scan | None = None
    predictions: list[Prediction] = field(default_factory=list)
    place: object | None = None
    origin: object | None = field(default=None, repr=False)

    @property
    def last(self) -> bool:
        """Whether it is the source's last."""
        return self.index == self.of - 1

    def studies(self) -> list[Study]:
        """Those of the source, once: with its last slice."""
        return studies(self.scan, self.predictions) if self.predictions else []


def answer_files(classifier, sources: Iterable[Source], jobs: int = 1, limits: Limits = LIMITS) -> Iterator[Answer]:
    """Answer for every slice of every source, in order, whatever the number of `jobs`; nothing is raised for a bad file."""
    at_once = min(jobs, cores()) + (jobs > 1)  # the one more leaves no core idle
    readers, askers = ThreadPoolExecutor(jobs), ThreadPoolExecutor(at_once)
    try:
        batches = _batches(_read_ahead(readers, sources, jobs, classifier.version, limits))
        yield from _collected(_asked(askers, at_once, classifier, batches))
    finally:
        for pool in (readers, askers):
            pool.shutdown(wait=False, cancel_futures=True)


def _collected(answers: Iterable[Answer]) -> Iterator[Answer]:
    """Give the last answer of a volume the predictions of all."""
    predictions: list[Prediction] = []
    for answer in answers:
        if answer.scan:
            predictions.append(answer.prediction)
            if answer.last:
                answer.predictions, predictions = predictions, []
        yield answer


def threads_for(files: int, jobs: int) -> int:
    """How many threads each inference is to have: where many files come, a core works on its own slice and waits for no other;
    a few are answered sooner by all cores (0).
    """
    return max(1, cores() // jobs) if jobs > 1 and files > jobs * FEW else 0


def _asked(askers, at_once: int, classifier, batches: Iterable[list[Answer]]) -> Iterator[Answer]:
    asked: deque[Future] = deque()
    for batch in batches:
        asked.append(askers.submit(_ask, classifier, batch))
        if len(asked) > at_once:
            yield from _result(asked.popleft())
    while asked:
        yield from _result(asked.popleft())


def _read_ahead(pool, sources: Iterable[Source], ahead: int, version: str, limits: Limits) -> Iterator[list[Answer]]:
    reading: deque[Future] = deque()
    for source in sources:
        reading.append(pool.submit(_read, source, version, limits))
        if len(reading) > ahead:
            yield _result(reading.popleft())
    while reading:
        yield _result(reading.popleft())


def _result(future: Future) -> list[Answer]:
    """What comes of it. The wait is interrupted now and then: a longer one hears of Ctrl-C neither on Windows nor where the
    system tells another thread of it.
    """
    while wait([future], WAKE).not_done:
        pass
    return future.result()


def _read(source: Source, version: str, limits: Limits) -> list[Answer]:
    started = time.perf_counter()
    try:
        scan = read(source.content(limits), limits)
    except ReadError as error:
        took = {"read": (time.perf_counter() - started) * 1000.0}
        return [Answer(source, record=unread_record(source.name, error, version, took))]
    except OSError as error:
        return [Answer(source, record=error_record(source.name, f"The file cannot be opened ({error.strerror}).", version))]
    share = (time.perf_counter() - started) * 1000.0 / len(scan)
    whole = scan if scan.is_study else None
    answers = [
        Answer(source, i, len(scan), share, pixels=pixels, aspect=aspect, scan=whole)
        for i, (pixels, aspect) in enumerate(zip(scan, scan.pixel_aspects, strict=True))
    ]
    answers[0].notes = tuple(scan.notes)
    for answer, entry in zip(answers, scan.names, strict=False):
        answer.entry = entry
    if len(scan.places) == 1:
        answers[0].place, answers[0].origin = scan.places[0], scan.series[0].origin
    return answers


def _batches(files: Iterable[list[Answer]]) -> Iterator[list[Answer]]:
    """Gather slices, with the errors between them, to what the model answers at once."""
    batch: list[Answer] = []
    count = values = 0
    for answers in files:
        for answer in answers:
            batch.append(answer)
            if answer.pixels is not None:
                count += 1
                values += answer.pixels.size
            if count == BATCH or values > MAX_BATCH_VALUES:
                yield batch
                batch, count, values = [], 0, 0
    if batch:
        yield batch


def _ask(classifier, batch: list[Answer]) -> list[Answer]:
    """Give each that could be read its prediction and its record."""
    readable = [answer for answer in batch if answer.pixels is not None]
    slices, aspects = [answer.pixels for answer in readable], [answer.aspect for answer in readable]
    predictions = classifier.predict(slices, aspects) if readable else []
    for answer, prediction in zip(readable, predictions, strict=True):
        answer.prediction = prediction
        answer.record = prediction.record(answer.source.name, answer.index, classifier.version, answer.entry)
        answer.record["timings_ms"] = {"read": round(answer.read_ms, 3)} | answer.record["timings_ms"]
        if answer.notes:
            answer.record["notes"] = list(answer.notes)
    return batch
