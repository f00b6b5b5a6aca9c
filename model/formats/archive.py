"""ZIP: a folder of pictures, DICOM files of one or several series, or a NIfTI volume. Everything stays in memory.

Names in a ZIP are never used as paths. Each file is sniffed, like one that comes alone; a bad one does not spoil the others.
"""

import io
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from model.formats.common import CHUNK, Budget, OverLimit, ReadError, Scan, UnsupportedFormat, damaged
from model.formats.single import decode, open_gzip
from model.formats.sniffing import sniff

ENTRY = b"PK\x01\x02"  # begins every entry of the directory (APPNOTE.TXT, 4.3.12)
LEFT_BEHIND = {"thumbs.db", "desktop.ini", "dicomdir", "ehthumbs.db", "__macosx"}  # by operating systems and disc writers
ENCRYPTED = 1  # bit 0 of an entry's flags
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MAX_NAME = 80
DIGITS = 18  # that numbers in names are compared with
REASONS = 3  # that are told in the notes; the rest is counted


def read(data: bytes, budget: Budget) -> Scan:
    """Read every file in a ZIP: first the DICOM series, or else volumes and pictures by their names, 2 before 10.

    Pictures beside DICOM are left out, with a note: on a disc they belong to its viewer. Pictures are never taken for a
    study: nothing in them says that they are of one person.

    Raises:
        UnsupportedFormat: an office document.
        ReadError: damaged, over the limits, or without a single file that can be read.
    """
    try:
        scans, dicoms, notes, failures = _collect(data, budget)
    except ReadError:
        raise
    except Exception:  # zipfile raises more than BadZipFile for a directory that makes no sense
        raise damaged("ZIP file") from None
    if dicoms:
        pictures = [name for name, scan in scans if scan.format != "NIfTI"]
        scans = [(name, scan) for name, scan in scans if scan.format == "NIfTI"]
        if pictures:
            notes.append(f"{_count(len(pictures), 'picture')} beside DICOM files left out.")
    if not dicoms and not scans:
        raise _none_readable([error for _, error in failures])
    return _join(scans, dicoms, notes, failures)


def _collect(data: bytes, budget: Budget) -> tuple[list, list, list[str], list]:
    """(name, Scan) of volumes and pictures, all DICOM slices, notes, and (name, error) of what cannot be read."""
    limit = budget.limits.max_files
    # Hidden companions double the count at most; the directory itself is only read when it is of a bearable size.
    if data.count(ENTRY) > 4 * limit:
        raise OverLimit(f"Expected at most {limit:,} files in a ZIP. Received: many more.")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if any(info.filename == "[Content_Types].xml" for info in archive.infolist()):
            raise UnsupportedFormat("Expected a ZIP of images. Received: an office document. Please save its pictures as PNG.")
        entries = [info for info in archive.infolist() if not _is_left_behind(info)]
        if len(entries) > limit:
            raise OverLimit(f"Expected at most {limit:,} files in a ZIP. Received: {len(entries):,}.")
        entries.sort(key=lambda info: natural(info.filename))
        if not entries:
            raise ReadError("Expected a ZIP of images. Received: one without files.")
        scans, dicoms, notes, failures = [], [], [], []
        for info in entries:
            name = display_name(info.filename)
            try:
                content = _content(archive, info, budget)
                if sniff(content) == "gzip":
                    content = open_gzip(content, budget)
                if sniff(content) == "DICOM":
                    from model.formats.dicom import read_slices

                    slices, further = read_slices(content, budget, name)
                    dicoms += slices
                    notes += further
                else:
                    scans.append((name, decode(content, budget)))
            except OverLimit:
                raise
            except ReadError as error:
                failures.append((name, error))
    return scans, dicoms, notes, failures


def _join(scans: list, dicoms: list, notes: list[str], failures: list) -> Scan:
    slices, names, series = [], [], []
    if dicoms:
        from model.formats.stacking import stack

        ordered, series, further = stack(dicoms)
        slices, names, series = [s.pixels for s in ordered], [s.name for s in ordered], list(series)
        notes += further
    for name, scan in scans:
        series += [replace(one, start=one.start + len(slices), stop=one.stop + len(slices)) for one in scan.series]
        slices += scan.slices
        names += [name] * len(scan)
        notes += scan.notes
    notes = [*dict.fromkeys(notes), *_tell(failures)]
    return Scan("ZIP", slices, tuple(series), tuple(notes), tuple(names), tuple(failures))


def _none_readable(errors: list[ReadError]) -> ReadError:
    """The commonest of the errors speaks for all."""
    message, _ = Counter(map(str, errors)).most_common(1)[0]
    kind = next(type(error) for error in errors if str(error) == message)
    which = (
        "The file in the ZIP cannot be read."
        if len(errors) == 1
        else f"None of the {len(errors):,} files in the ZIP can be read."
    )
    return kind(f"{which} {message}")


def _tell(failures: list[tuple[str, ReadError]]) -> Iterator[str]:
    counts = Counter(str(error) for _, error in failures).most_common()
    for message, count in counts[:REASONS]:
        yield f"{_count(count, 'file')} in the ZIP left out. {message}"
    if counts[REASONS:]:
        yield f"{_count(sum(count for _, count in counts[REASONS:]), 'file')} in the ZIP left out for other reasons."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> bytes:
    """Unpack one entry, a chunk at a time, within the budget."""
    if info.flag_bits & ENCRYPTED:
        raise ReadError("Expected a ZIP without a password. Received: an encrypted file.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise ReadError("Expected a file. Received: a link to one.")
    if info.compress_type not in METHODS:
        raise ReadError("Expected a ZIP that is stored or deflated. Received: another compression.")
    parts = []
    try:
        with archive.open(info) as stream:
            while part := stream.read(CHUNK):
                budget.unpack(len(part))
                parts.append(part)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise damaged("file in the ZIP") from None
    return b"".join(parts)


def _is_left_behind(info: zipfile.ZipInfo) -> bool:
    parts = [part.lower() for part in re.split(r"[/\\]", info.filename) if part]
    return info.is_dir() or not parts or parts[-1].startswith(".") or bool(LEFT_BEHIND & set(parts))


def natural(path: str) -> list[str]:
    """A key that sorts left2 before left10, and left10 before right1, folder by folder."""
    return [re.sub(r"\d+", lambda number: number[0].zfill(DIGITS), part.lower()) for part in path.split("/")]


def display_name(path: str) -> str:
    """The last part of a name, without what cannot be printed, cut to a bearable length."""
    name = "".join(c for c in re.split(r"[/\\]", path)[-1] if c.isprintable())
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
