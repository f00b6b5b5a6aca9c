"""Classify MRI slices: files, folders (with what is below them) or - for standard input. One record per slice on stdout.

A file in a folder is named relative to that folder, in its record and below --masks and --overlay. With --studies, the
slices of a volume or series are followed by its own record: {"file", "study": {...}, "model"}; in CSV a row with the status
"study" and further columns. docs/studies.md tells what is in it. DICOM files of one slice each that lie in the same folder and
name the same series are a series, too, when the folder is given: the record of its study follows the folder's last file, bears
the folder's name, and lists them as "files". The folders of --masks and --overlay may lie among the inputs, but must not hold
any. Exit status: 0 when every file was answered or refused, 1 when one could not be read or something not be written, 2 for
bad usage, 130 when interrupted.
"""

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import NamedTuple, TextIO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from tqdm import tqdm

from model.batch import Answer, Source, answer_files, threads_for
from model.classifier import DEFAULT_MODEL, Classifier, ModelFileError
from model.commands import INTERRUPTED, NOT_READ, check_folders, positive, printable
from model.engines import EngineError
from model.exports import FORMATS as VOLUME_FORMATS
from model.exports import ExportError, volume_mask
from model.inputs import Input, UsageError, check_targets, find_sources, volume_name
from model.loose import Folders, Joined, may_be_dicom
from model.overlay import mask_png, overlay
from model.reading import Series
from model.records import COLUMNS, STUDY_COLUMNS, csv_lines
from model.resume import READERS, NotResumable, Written, check_studies, written

MOST_JOBS = 4  # by default; each may hold a decoded file
BAR = "{l_bar}{bar}| {n:.0f}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]"  # tqdm's own, but for a file that is half done
VOLUME_MASKS = (
    "write the mask of each volume or series below --masks, too: nifti as NAME.nii.gz, seg as NAME.seg.dcm, a DICOM SEG, "
    "which needs DICOM and holds the patient's name, as the standard has it; those of loose files under their folder's name"
)
RESUME = (
    "go on with what an interrupted run has written to --out FILE; with --studies or --volume-masks the DICOM files of a "
    "folder that is not done are analyzed once more, without a second record"
)


class Format(NamedTuple):
    """How records become text: what comes first, and what a record's line is."""

    header: str
    line: Callable[[dict], str]


def aligned(record: dict) -> str:
    if "study" in record:
        study = record["study"]
        notes = [f"study of {study['stop'] - study['start']} slices"]
        notes += [f"{study['volume_ml']:.1f} ml"] if study["volume_ml"] is not None else []
        if (best := study["best_slice"]) is not None:
            notes += [f"best {study['files'][best] if 'files' in study else best}"]
        notes += ["uncertain"] if study["uncertain"] else []
        probability = f"{study['probabilities'][study['label']]:.3f}" if study["label"] else ""
        return row(record["file"], "", study["label"] or "none", probability, ", ".join(notes))
    label = record.get("label", record["status"])
    probability = f"{record['probabilities'][label]:.3f}" if record["status"] == "ok" else ""
    said = " ".join(filter(None, (record.get("reason"), *record.get("notes", ()))))
    note = ". ".join(filter(None, ("uncertain" if record.get("uncertain") else "", said)))
    return row("/".join(filter(None, (record["file"], record.get("entry")))), record["slice"], label, probability, note)


def row(file: str, number: int | str, answer: str, probability: str, note: str) -> str:
    return f"{printable(file)[-40:]:40} {number:>5}  {answer:12} {probability:>11}  {printable(note)}".rstrip() + "\n"


FORMATS = {
    "jsonl": Format("", lambda record: json.dumps(record) + "\n"),
    "csv": Format(csv_lines(), lambda record: csv_lines([record], header=False)),
    "csv with studies": Format(
        csv_lines(columns=COLUMNS + STUDY_COLUMNS),
        lambda record: csv_lines([record], header=False, columns=COLUMNS + STUDY_COLUMNS),
    ),
    "table": Format(row("file", "slice", "answer", "probability", "note"), aligned),
}


def main(arguments: list[str] | None = None) -> int:
    parser = command_line()
    args = parser.parse_args(arguments)
    if args.resume and (not args.out or args.format not in READERS):
        parser.error(f"--resume needs --out FILE, and --format {' or '.join(READERS)}")
    if args.out and not args.resume and args.out.is_file() and args.out.stat().st_size:
        parser.error(f"expected a new file for --out, or --resume. Received: {args.out}, which has records already")
    if args.volume_masks and not args.masks:
        parser.error("--volume-masks needs --masks DIR")
    try:
        resumed = args.resume and args.out.is_file()
        sources = find_sources(args.paths, args.out, tell, (args.masks, args.overlay), resumed)
        check_targets(sources, args.masks, args.overlay, args.volume_masks)
        check_folders(args.masks, args.overlay)
        threads = None if os.environ.get("EARLYMED_THREADS") else threads_for(len(sources), args.jobs)
        classifier = Classifier.load(args.model, threads=threads)
        before = written(args.out, args.format, classifier.version, args.studies) if args.resume else Written()
        if args.studies:
            check_studies(before, sources)
        with open_output(args.out, before.end) as out:
            return run(args, classifier, sources, before, out)
    except (UsageError, NotResumable) as error:
        parser.error(str(error))
    except (ModelFileError, EngineError) as error:
        tell(str(error))
        return 1
    except KeyboardInterrupt:
        how = " The same command with --resume goes on." if args.out and args.format in READERS else ""
        tell(f"interrupted.{how}")
        return INTERRUPTED
    except BrokenPipeError:
        return NOT_READ
    except OSError as error:  # such as a full disk
        tell(f"cannot write {error.filename or args.out or 'the output'} ({error.strerror})")
        return 1


def tell(text: str) -> None:
    tqdm.write(f"predict.py: {printable(text)}", file=sys.stderr)


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="a file, a folder, or - for standard input")
    add("--format", choices=("jsonl", "csv", "table"), default="jsonl")
    add("--studies", action="store_true", help="after the slices of a volume or series, give the record of the whole")
    add("--out", type=Path, metavar="FILE", help="write the records to a new FILE instead of stdout")
    add("--resume", action="store_true", help=RESUME)
    add("--masks", type=Path, metavar="DIR", help="write each slice's tumor mask here, as a 1-bit PNG")
    add("--volume-masks", choices=VOLUME_FORMATS, help=VOLUME_MASKS)
    add("--overlay", type=Path, metavar="DIR", help="write each slice here, with its outline and evidence, as a PNG")
    jobs = min(MOST_JOBS, os.cpu_count() or 1)
    add(
        "--jobs",
        type=positive,
        default=jobs,
        metavar="N",
        help="files to read, and to ask about, at a time (default: %(default)s)",
    )
    add("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    return parser


@contextmanager
def open_output(path: Path | None, keep: int) -> Iterator[TextIO]:
    """The file of records, cut after its first `keep` bytes, or stdout; raises UsageError when it cannot be opened."""
    if path is None:
        sys.stdout.reconfigure(errors="surrogateescape")  # a name that is not Unicode comes out as it is
        yield sys.stdout
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8", errors="surrogateescape", newline="")
        file.truncate(keep)
    except OSError as error:
        raise UsageError(f"expected a file for --out. Received: {path} ({error.strerror})") from None
    with file:
        yield file


def run(args: argparse.Namespace, classifier: Classifier, sources: list[Input], before: Written, out: TextIO) -> int:
    """Answer what is not answered yet; the exit status."""
    failed = before.failed
    format = FORMATS["csv with studies" if args.studies and args.format == "csv" else args.format]
    if not before.end:
        print(format.header, end="", file=out, flush=True)
    rest = before.without_answered(sources)
    again = to_repeat(sources, rest) if args.studies or args.volume_masks else []
    if again:
        tell(f"{len(again)} DICOM file(s) analyzed once more, for the studies of their folders")
    taken: dict[PurePath, Source] = {}
    for source, index in before.slices_of(sources) if args.masks or args.overlay else ():
        failed |= holder(taken, source.picture_of(index), source) is not None
    folders, have_records = Folders((s.folder for s in again + rest), masks=bool(args.volume_masks)), set(again)
    with tqdm(
        total=len(sources),
        initial=len(sources) - len(rest),
        unit="file",
        file=sys.stderr,
        bar_format=BAR,
        delay=1,  # seconds: what is answered at once needs no bar
        disable=None,  # where stderr is no terminal
    ) as progress:
        for answer in answer_files(classifier, again + rest, args.jobs):
            joined = folders.joined(answer.source.folder, answer)
            if answer.source in have_records:
                continue
            failed |= answer.record["status"] == "error"
            failed |= not save_pictures(answer, args.masks, args.overlay, taken)  # before the record: what has one is complete
            if args.volume_masks:
                failed |= not save_volume_masks(answer, joined, args.masks, args.volume_masks, classifier.version, taken)
            print(format.line(answer.record), end="", file=out, flush=True)
            for record in study_records(answer, joined, classifier.version) if args.studies else ():
                print(format.line(record), end="", file=out, flush=True)
            progress.update(1 / answer.of)
    return int(failed)


def to_repeat(sources: list[Input], rest: list[Input]) -> list[Input]:
    """The answered files that a study may need which is not written yet: DICOM in the folders of the `rest`."""
    folders, unanswered = {source.folder for source in rest if source.folder}, set(rest)
    return [s for s in sources if s.folder in folders and s not in unanswered and may_be_dicom(s.path)]


def study_records(answer: Answer, joined: list[Joined], version: str) -> Iterator[dict]:
    """Of the volumes in a file when this is its last slice, and of the series that its folder's files form."""
    for study in answer.studies():
        yield study.record(answer.source.name, version)
    for one in joined:
        yield one.study.record(answer.source.folder.name, version)


def holder(taken: dict[PurePath, Source], name: PurePath, source: Source) -> Source | None:
    """The other input that has the name already. One that none has is the source's from now on."""
    first = taken.setdefault(name, source)
    same = first is source or (first.path and source.path and first.path.samefile(source.path))
    return None if same else first


def save_pictures(answer: Answer, masks: Path | None, overlays: Path | None, taken: dict[PurePath, Source]) -> bool:
    """Of an answered slice; slices after a file's first carry their number.

    Args:
        taken: the names that there are, with what they came of. With its number a slice may have the name of another
            input; then nothing is written over what is there, stderr hears of it, and False is returned.
    """
    if answer.record["status"] != "ok" or not (masks or overlays):
        return True
    source, index = answer.source, answer.index
    name = source.picture_of(index)
    if first := holder(taken, name, source):
        tell(f"{source.name}: no picture of slice {index}. {first.name} has {name} already")
        return False
    saved = not masks or save(mask_png(answer.prediction.mask), masks / name)
    return (not overlays or save(overlay(answer.pixels, answer.prediction), overlays / name)) and saved


def save_volume_masks(
    answer: Answer, joined: list[Joined], folder: Path, format: str, version: str, taken: dict[PurePath, Source]
) -> bool:
    """Of the volumes in a file with its last slice, and of the series that its folder's files form.

    One for each in which a slice was answered; stderr hears why one cannot be made. False when one could not be written, as
    where another input has its name: see `save_pictures`.
    """
    saved = True
    for source, name, series, masks in named_volumes(answer, joined, format):
        try:
            data = volume_mask(format, series, masks, version)
        except ExportError as error:
            tell(f"{source.name}: no mask of the volume. {error}")
            continue
        if first := holder(taken, name, source):
            tell(f"{source.name}: no mask of the volume. {first.name} has {name} already")
            saved = False
        else:
            saved &= save(data, folder / name)
    return saved


def named_volumes(
    answer: Answer, joined: list[Joined], format: str
) -> Iterator[tuple[Source, PurePath, Series, list[np.ndarray]]]:
    """Yield the file or folder, the name for its mask, the series and its slices' masks, where a slice was answered."""
    source = answer.source
    for series in answer.scan.series if answer.predictions else ():
        predictions = answer.predictions[series.start : series.stop]
        if len(series) > 1 and any(prediction.status == "ok" for prediction in predictions):
            yield source, volume_name(source.base, format, series.start), series, [p.mask for p in predictions]
    for one in joined:
        if one.study.analyzed:
            folder = Source(source.folder.name, source.path.parent)
            yield folder, volume_name(source.folder.base, format, one.start), one.series, one.masks()


def save(data: bytes, path: Path) -> bool:
    """False where the name is too long for the disk, which does not keep the other files from being answered."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(data)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        tell(f"cannot write {path} ({error.strerror})")
        return False
    return True


if __name__ == "__main__":
    status = main()
    if status in (INTERRUPTED, NOT_READ):
        os._exit(status)  # else it would wait for the files that are still being read, or complain once more of its output
    sys.exit(status)
