"""What an interrupted run has written: which files it answered, and from where to go on."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from model.batch import Source
from model.records import COLUMNS, STUDY_COLUMNS, text_of_cell


class NotResumable(ValueError):
    """A file that does not hold the beginning of this run."""


@dataclass
class Written:
    """The part of a file of records that can be kept.

    Attributes:
        answered: by name, how many files were answered; several may have one name.
        end: its size in bytes; what follows is to be written anew.
        failed: whether a file in it could not be read.
    """

    answered: Counter = field(default_factory=Counter)
    end: int = 0
    failed: bool = False

    def without_answered(self, sources: Iterable[Source]) -> list[Source]:
        """Those that are still to be answered."""
        answered = self.answered.copy()
        rest = []
        for source in sources:
            if answered[source.name]:
                answered[source.name] -= 1
            else:
                rest.append(source)
        return rest


def written(path: Path, format: str, version: str, studies: bool = False) -> Written:
    """Read what a run has written to `path`, as "jsonl" or "csv"; nothing when there is no such file.

    A half-written last line is dropped, and with it the whole last file: nobody knows whether all its slices are there.

    Args:
        studies: whether the run writes the records of studies, too.

    Raises:
        NotResumable: it holds something else than records of that format, or those of another model.
    """
    data = path.read_bytes() if path.is_file() else b""
    kept = Written()
    last: tuple[str, bool] | None = None
    for start, name, first, failed, model in READERS[format](data[: data.rfind(b"\n") + 1], studies):
        if model != version:
            raise NotResumable(f"Expected answers of the model {version}. Received: {path} with those of {model}")
        if first:
            if last:
                kept.answered[last[0]] += 1
                kept.failed |= last[1]
            last, kept.end = (name, failed), start
    return kept


def _from_jsonl(data: bytes, studies: bool) -> Iterator[tuple[int, str, bool, bool, str]]:
    """For each record: where it starts, its file, whether it is the file's first, whether it is an error, its model."""
    start = 0
    for line in data.splitlines(keepends=True):
        try:
            record = json.loads(line)
            if "study" in record and studies:
                record |= {"slice": None, "status": "study"}
            yield start, record["file"], record["slice"] == 0, record["status"] == "error", record["model"]
        except (ValueError, TypeError, KeyError):
            raise NotResumable(f"Expected one JSON record on each line. Received: {line[:60]!r}") from None
        start += len(line)


def _from_csv(data: bytes, studies: bool) -> Iterator[tuple[int, str, bool, bool, str]]:
    columns = COLUMNS + STUDY_COLUMNS if studies else COLUMNS
    csv.field_size_limit(2**31 - 1)  # a study's cell names all its files
    lines = data.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    rows = csv.reader(line.decode("utf-8", "surrogateescape") for line in lines)
    for header in rows:
        if tuple(header) in {COLUMNS, COLUMNS + STUDY_COLUMNS} - {columns}:
            raise NotResumable(f"Expected records {'with' if studies else 'without'} studies. Received: the others")
        if tuple(header) != columns:
            raise NotResumable(f"Expected the columns {', '.join(columns)}. Received: {', '.join(header)[:60]!r}")
        break
    start = starts[rows.line_num]
    for row in rows:
        record = dict(zip(columns, row, strict=False))
        if len(row) == len(columns):
            yield start, text_of_cell(record["file"]), record["slice"] == "0", record["status"] == "error", record["model"]
        elif rows.line_num < len(lines):
            raise NotResumable(f"Expected {len(columns)} cells in a row. Received: {len(row)}")
        start = starts[rows.line_num]


READERS = {"jsonl": _from_jsonl, "csv": _from_csv}
