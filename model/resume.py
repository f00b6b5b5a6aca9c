"""What an interrupted run has written: which files it answered, and from where to go on."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from model.batch import Source
from model.inputs import Input
from model.loose import Loose, join, may_be_dicom
from model.reading import ReadError, Scan, read
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
        several: the names of answered files with several slices.
        studies: the names of files and folders of which a study is written.
        slices: by name, those of each answered file that were answered: of them there are pictures.
    """

    answered: Counter = field(default_factory=Counter)
    end: int = 0
    failed: bool = False
    several: set[str] = field(default_factory=set)
    studies: set[str] = field(default_factory=set)
    slices: dict[str, list[list[int]]] = field(default_factory=dict)

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

    def slices_of(self, sources: Iterable[Source]) -> Iterator[tuple[Source, int]]:
        """Yield every slice that was answered, after its source."""
        files = {name: iter(slices) for name, slices in self.slices.items()}
        for source in sources:
            for index in next(files.get(source.name, iter(())), ()):
                yield source, index


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
    last: list[Line] = []
    for line in READERS[format](data[: data.rfind(b"\n") + 1], studies):
        if line.model != version:
            raise NotResumable(f"Expected answers of the model {version}. Received: {path} with those of {line.model}")
        if line.slice == 0:
            if last:
                kept.answered[last[0].file] += 1
                kept.failed |= last[0].status == "error"
                kept.several |= {one.file for one in last if one.slice}
                kept.studies |= {one.file for one in last if one.slice is None}
                answered = [one.slice for one in last if one.status == "ok"]
                kept.slices.setdefault(last[0].file, []).append(answered)
            last, kept.end = [], line.start
        last.append(line)
    return kept


def check_studies(kept: Written, sources: Iterable[Input]) -> None:
    """Whether what was answered has its studies, for a run that writes them.

    Raises:
        NotResumable: a file or folder that holds a volume or series was answered without. It is read again to know that:
            several slices may also be pictures, each in its own right.
    """
    sources = list(sources)
    open_folders = {source.folder for source in kept.without_answered(sources)}
    loose = defaultdict(list)
    for source in sources:
        if source.name in kept.several - kept.studies and _scan(source).is_study:
            raise _begun_without(source.name)
        if source.folder and source.folder not in open_folders and source.folder.name not in kept.studies:
            loose[source.folder].append(source)
    for folder, files in loose.items():
        places = [(file.name, _scan(file).places) for file in files if may_be_dicom(file.path)]
        if any(join([Loose(name, own[0]) for name, own in places if len(own) == 1])):
            raise _begun_without(folder.name)


def _begun_without(name: str) -> NotResumable:
    return NotResumable(f"Expected records with studies. Received: those of {name} without")


def _scan(source: Source) -> Scan:
    try:
        return read(source.content()) if source.path else Scan("", [])
    except (ReadError, OSError):
        return Scan("", [])


class Line(NamedTuple):
    """Of a file of records: where it starts, its file, which slice (None: a study), its status, its model."""

    start: int
    file: str
    slice: int | None
    status: str
    model: str


def _from_jsonl(data: bytes, studies: bool) -> Iterator[Line]:
    start = 0
    for line in data.splitlines(keepends=True):
        try:
            record = json.loads(line)
            if "study" in record and studies:
                record |= {"slice": None, "status": "study"}
            yield Line(start, record["file"], record["slice"], record["status"], record["model"])
        except (ValueError, TypeError, KeyError):
            raise NotResumable(f"Expected one JSON record on each line. Received: {line[:60]!r}") from None
        start += len(line)


def _from_csv(data: bytes, studies: bool) -> Iterator[Line]:
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
            index = int(record["slice"]) if record["slice"].isdecimal() else None
            yield Line(start, text_of_cell(record["file"]), index, record["status"], record["model"])
        elif rows.line_num < len(lines):
            raise NotResumable(f"Expected {len(columns)} cells in a row. Received: {len(row)}")
        start = starts[rows.line_num]


READERS = {"jsonl": _from_jsonl, "csv": _from_csv}
