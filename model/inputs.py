"""What a command line names: files, folders with what is below them, standard input; and what is written for each.

    for source in find_sources(["head.nii.gz", "cd"]):
        print(source.name, source.picture)

Names are relative to the folder that was given, so that what is written lies as its inputs do.
"""

import functools
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from model import reading
from model.batch import Source
from model.exports import FORMATS
from model.loose import kind
from model.reading import LIMITS, Limits, ReadError
from model.walking import walk

HOLDS_INPUT = "expected another folder for pictures. Received: one in which {} is an input"
VOLUMES = ("DICOM", "NIfTI", "ZIP")  # may hold slices whose mask is written as one file


class UsageError(Exception):
    """The command line asks for what cannot be done."""


class Folder(NamedTuple):
    """Where a file lies that was found in a given folder.

    Attributes:
        given: which of the given paths it came by; a folder given twice is two.
        name: in records: relative to the given folder, or for that one itself as it was given.
        base: the name of what is written for its series, without an ending.
    """

    given: int
    name: str
    base: PurePath


@dataclass(frozen=True)
class Input(Source):
    """A source.

    Attributes:
        picture: the name of its pictures below --masks and --overlay.
        folder: of a file out of a folder.
        closed: of a folder that cannot be opened: why.
    """

    picture: PurePath
    folder: Folder | None = None
    closed: str = ""

    @property
    def base(self) -> PurePath:
        """The name of what is written for its volumes, without an ending."""
        return self.picture.with_name(self.picture.stem.removesuffix(".nii"))

    def picture_of(self, index: int) -> PurePath:
        """The name of a slice's pictures: those after the first carry its number."""
        return self.picture.with_stem(numbered(self.picture.stem, index))

    def content(self, limits: Limits = LIMITS) -> bytes:
        if self.closed:
            raise ReadError(f"The folder cannot be opened ({self.closed}).")
        return super().content(limits)


def find_sources(
    paths: list[str],
    out: Path | None = None,
    tell: Callable[[str], None] = lambda text: None,
    pictures: Iterable[Path | None] = (),
    resumed: bool = False,
) -> list[Input]:
    """Expand folders, but for what is hidden and `out`. A folder that cannot be opened is a source that cannot be read.

    Args:
        tell: hears of a folder without files, and of what is passed over.
        pictures: the folders that pictures are written to. They hold no inputs: a resumed run passes over what is in them.

    Raises:
        UsageError: a path is neither file nor folder, or a file in a folder for pictures is an input.
    """
    places = {Path(os.path.realpath(place)) for place in pictures if place}
    sources = []
    for number, given in enumerate(paths):
        if given == "-":
            sources.append(Input("-", None, PurePath("stdin.png")))
        elif stat.S_ISDIR(mode := _mode(given)):
            inside = _inside(number, given, out and os.path.realpath(out))
            among = _among(given, inside, places) if places else set()
            if among and (not resumed or Path(os.path.realpath(given)) in places):
                raise UsageError(HOLDS_INPUT.format(min(among)))
            if among:
                tell(f"{len(among)} file(s) in {given} passed over, where this run writes its pictures")
                inside = [source for source in inside if source.path not in among]
            if not inside:
                tell(f"no files in {given}")
            sources += inside
        elif stat.S_ISREG(mode):
            sources.append(Input(given, Path(given), picture_name(PurePath(PurePath(given).name))))
        else:
            why = "which is neither a file nor a folder; give - for standard input"
            raise UsageError(f"expected a file, a folder or -. Received: {given}, {why}")
    return sources


def _mode(given: str) -> int:
    """Of what is there; raises UsageError when nothing is."""
    if not given:  # to Path it is this folder, which nobody meant
        raise UsageError("expected a file, a folder or -. Received: an empty path")
    try:
        return Path(given).stat().st_mode
    except FileNotFoundError:
        raise UsageError(f"expected a file, a folder or -. Received: {given}, which does not exist") from None
    except OSError as error:
        raise UsageError(f"expected a file, a folder or -. Received: {given} ({error.strerror})") from None


def _inside(number: int, given: str, own: str | None) -> list[Input]:
    """The sources in a folder, in the order of their names; `own` is none."""
    path, found = Path(given), walk(Path(given))
    top = Folder(number, given, PurePath(path.resolve().name or "series"))
    sources = []
    for one in sorted([*found.files, *found.closed]):
        name, why = one.relative_to(path), found.closed.get(one, "")
        if why:
            sources.append(Input(given if one == path else name.as_posix(), one, PurePath(f"{name.name}.png"), closed=why))
        elif os.path.realpath(one) != own:
            folder = top if one.parent == path else Folder(number, name.parent.as_posix(), name.parent)
            sources.append(Input(name.as_posix(), one, picture_name(name), folder))
    return sources


def _among(given: str, inside: list[Input], places: set[Path]) -> set[Path]:
    """Which files of a given folder lie in one of the `places`, unless the whole folder does."""
    places = places - set(Path(os.path.realpath(given)).parents)
    return {source.path for source in inside if places & set(Path(os.path.realpath(source.path)).parents)}


def picture_name(name: PurePath) -> PurePath:
    """With .png in place of its ending; what is all digits is none, but the last part of a UID or a slice's number."""
    return name.with_name(f"{name.name}.png") if name.suffix[1:].isdigit() else name.with_suffix(".png")


def check_targets(sources: list[Input], masks: Path | None, overlays: Path | None, volume_format: str | None) -> None:
    """Raises UsageError when a mask or an overlay would be written over an input, or over what comes of another input.

    Where names say so, the beginnings of the files are read: what lies beside a picture, under its name, may describe it.
    """
    if masks and overlays and os.path.realpath(masks) == os.path.realpath(overlays):
        raise UsageError(f"expected a folder for --masks and another for --overlay. Received: {masks} for both")
    resolve = functools.cache(lambda path: Path(os.path.realpath(path)))  # Path.resolve raises for a link to itself
    own = {resolve(source.path) for source in sources if source.path}
    claims = defaultdict(dict)  # target -> what it may come of, resolved -> the same as it was given, and its files
    for source in sources:
        for target, origin in _targets(source, masks, overlays, volume_format):
            if resolve(target) in own:
                raise UsageError(HOLDS_INPUT.format(target))
            claims[resolve(target)].setdefault(resolve(origin), (origin, []))[1].append(source.path)
    for target, origins in claims.items():
        if len(origins) > 1:
            writers = [origin for origin, files in origins.values() if _may_write(target, origin, files)]
            if len(writers) > 1:
                raise UsageError(
                    f"expected another name for each picture and mask. Received: {writers[0]} and {writers[1]}, which both "
                    f"give {target}; give the folder that holds both, rename one, or write them to different folders"
                )


def _targets(
    source: Input, masks: Path | None, overlays: Path | None, volume_format: str | None
) -> Iterator[tuple[Path, Path]]:
    """Yield what may be written, and what it comes of: a file, or the folder of a series' files."""
    file = source.path or Path(source.name)
    for folder in filter(None, (masks, overlays)):
        yield folder / source.picture, file
    if volume_format:
        yield masks / volume_name(source.base, volume_format), file
        if source.folder:
            yield masks / volume_name(source.folder.base, volume_format), file.parent


def _may_write(target: Path, origin: Path, files: list[Path | None]) -> bool:
    """By how the files begin; of standard input (None) nobody knows."""
    if None in files:
        return True
    kinds = [kind(file) for file in files]
    if origin.is_dir():
        return kinds.count("DICOM") > 1
    return kinds[0] in (reading.FORMATS if target.suffix == ".png" else VOLUMES)


def volume_name(base: PurePath, format: str, start: int = 0) -> PurePath:
    """The name of the mask of a volume, here of the one that begins with slice `start`."""
    return base.with_name(f"{numbered(base.name, start)}{FORMATS[format].suffix}")


def numbered(stem: str, index: int) -> str:
    return f"{stem}_{index:04d}" if index else stem
