"""Classify MRI slices: files, folders (with what is below them) or - for standard input. One record per slice on stdout.

A file in a folder is named relative to that folder, in its record and below --masks. Exit status: 0 when every file was
answered or refused, 1 when one could not be read, 2 for bad usage.
"""

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image
from tqdm import tqdm

from model.classifier import BATCH, DEFAULT_MODEL, Classifier, ModelFileError
from model.labels import LABELS
from model.prediction import error_record
from model.reading import ReadError, read

MAX_WAITING_VALUES = 100_000_000  # decoded, so that a folder of large pictures does not fill the memory
COLUMNS = (
    "file", "slice", "status", "label", *LABELS, "uncertain", "in_distribution",
    "area_px", "area_fraction", "x0", "y0", "x1", "y1", "reason", "model",
)  # fmt: skip


@dataclass
class Source:
    """One input: its name in the record, the name of its mask, and where its bytes are (None for standard input)."""

    name: str
    mask: PurePath
    path: Path | None

    def content(self) -> bytes:
        return sys.stdin.buffer.read() if self.path is None else self.path.read_bytes()


@dataclass
class Slice:
    """A slice that waits for its answer."""

    source: Source
    index: int
    pixels: np.ndarray
    read_ms: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, a folder, or - for standard input")
    parser.add_argument("--format", choices=("jsonl", "csv", "table"), default="jsonl")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="write each slice's tumor mask here, as a 1-bit PNG")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    args = parser.parse_args()
    try:
        sources = find_sources(args.paths)
    except FileNotFoundError as error:
        parser.error(str(error))
    try:
        classifier = Classifier.load(args.model)
    except ModelFileError as error:
        print(f"predict.py: {error}", file=sys.stderr)
        return 1

    write = WRITERS[args.format]()
    failed = False
    progress = tqdm(sources, unit="file", file=sys.stderr, disable=None if len(sources) > 1 else True)
    for record, mask, source in answers(classifier, progress):
        failed |= record["status"] == "error"
        if args.masks and mask is not None:
            save_mask(mask, args.masks / source.mask, record["slice"])
        write(record)
    return int(failed)


def find_sources(paths: list[str]) -> list[Source]:
    """Expand folders; raises FileNotFoundError for a path that is neither file nor folder."""
    sources = []
    for given in paths:
        path = Path(given)
        if given == "-":
            sources.append(Source("-", PurePath("stdin.png"), None))
        elif path.is_dir():
            for file in sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith(".")):
                name = file.relative_to(path)
                sources.append(Source(name.as_posix(), name.with_suffix(".png"), file))
        elif path.is_file():
            sources.append(Source(given, PurePath(path.name).with_suffix(".png"), path))
        else:
            raise FileNotFoundError(f"expected a file, a folder or -. Received: {given}, which does not exist")
    return sources


def answers(classifier: Classifier, sources) -> Iterator[tuple[dict, np.ndarray | None, Source]]:
    """Read, gather into batches and answer; yields (record, mask or None, source) in the order of the sources."""
    waiting: list[Slice] = []
    for source in sources:
        started = time.perf_counter()
        try:
            slices = read(source.content())
        except (ReadError, OSError) as error:
            reason = str(error) if isinstance(error, ReadError) else f"The file cannot be opened ({error.strerror})."
            yield from flush(classifier, waiting)
            yield error_record(source.name, reason, classifier.version), None, source
            continue
        read_ms = (time.perf_counter() - started) * 1000.0 / len(slices)
        waiting += [Slice(source, i, pixels, read_ms) for i, pixels in enumerate(slices)]
        if len(waiting) >= BATCH or sum(s.pixels.size for s in waiting) > MAX_WAITING_VALUES:
            yield from flush(classifier, waiting)
    yield from flush(classifier, waiting)


def flush(classifier: Classifier, waiting: list[Slice]) -> Iterator[tuple[dict, np.ndarray | None, Source]]:
    """Answer what waits, and empty it."""
    for item, prediction in zip(waiting, classifier.predict([s.pixels for s in waiting]), strict=True):
        record = prediction.record(item.source.name, item.index, classifier.version)
        record["timings_ms"] = {"read": round(item.read_ms, 3)} | record["timings_ms"]
        yield record, prediction.mask if prediction.status == "ok" else None, item.source
    waiting.clear()


def save_mask(mask: np.ndarray, path: Path, index: int) -> None:
    """A bool (H, W) mask as a 1-bit PNG; slices after a file's first carry their number."""
    path = path if index == 0 else path.with_stem(f"{path.stem}_{index:04d}")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path, "PNG", bits=1)


def jsonl():
    return lambda record: print(json.dumps(record), flush=True)


def comma_separated():
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()

    def write(record: dict) -> None:
        tumor = record.get("tumor") or {}
        row = record | record.get("probabilities", {}) | tumor
        row |= dict(zip(("x0", "y0", "x1", "y1"), tumor.get("box", ()), strict=False))
        writer.writerow({column: row.get(column, "") for column in COLUMNS})
        sys.stdout.flush()

    return write


def aligned():
    print(f"{'file':40} {'answer':12} {'probability':>11}  note")

    def write(record: dict) -> None:
        label = record.get("label", record["status"])
        probability = f"{record['probabilities'][label]:.3f}" if record["status"] == "ok" else ""
        note = record.get("reason") or ("uncertain" if record["uncertain"] else "")
        print(f"{record['file'][-40:]:40} {label:12} {probability:>11}  {note}".rstrip(), flush=True)

    return write


WRITERS = {"jsonl": jsonl, "csv": comma_separated, "table": aligned}

if __name__ == "__main__":
    sys.exit(main())
