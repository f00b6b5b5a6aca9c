"""What a command line names: files, folders with what is below them, standard input; and what is written for each.

    for source in find_sources(["head.nii.gz", "cd"]):
        print(source.name, source.picture)

Names are relative to the folder that was given, so that what is written lies as its inputs do.
"""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from model.batch import Source
from model.exports import FORMATS


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
    """

    picture: PurePath
    folder: Folder | None = None

    @property
    def base(self) -> PurePath:
        """The name of what is written for its volumes, without an ending."""
        return self.picture.with_name(self.picture.stem.removesuffix(".nii"))


def find_sources(paths: list[str], out: Path | None = None) -> list[Input]:
    """Expand folders, but for hidden files and `out`; raises UsageError for a path that is neither file nor folder."""
    own = out.resolve() if out else None
    sources = []
    for number, given in enumerate(paths):
        path = Path(given)
        if given == "-":
            sources.append(Input("-", None, PurePath("stdin.png")))
        elif path.is_dir():
            top = Folder(number, given, PurePath(path.resolve().name or "series"))
            for file in sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith(".")):
                if file.resolve() != own:
                    name = file.relative_to(path)
                    folder = top if file.parent == path else Folder(number, name.parent.as_posix(), name.parent)
                    sources.append(Input(name.as_posix(), file, name.with_suffix(".png"), folder))
        elif path.is_file():
            sources.append(Input(given, path, PurePath(path.name).with_suffix(".png")))
        else:
            raise UsageError(f"expected a file, a folder or -. Received: {given}, which does not exist")
    return sources


def check_targets(sources: list[Input], masks: Path | None, overlays: Path | None, volume_format: str | None) -> None:
    """Raises UsageError when a mask or an overlay would be written over one of the files that are read."""
    own = {source.path.resolve() for source in sources if source.path}
    for source in sources:
        targets = [folder / source.picture for folder in (masks, overlays) if folder]
        if volume_format:
            bases = [source.base, source.folder.base] if source.folder else [source.base]
            targets += [masks / volume_name(base, volume_format) for base in bases]
        for target in targets:
            if target.resolve() in own:
                raise UsageError(f"expected another folder for pictures. Received: one in which {target} is an input")


def volume_name(base: PurePath, format: str, start: int = 0) -> PurePath:
    """The name of the mask of a volume, here of the one that begins with slice `start`."""
    return base.with_name(f"{numbered(base.name, start)}{FORMATS[format].suffix}")


def numbered(stem: str, index: int) -> str:
    return f"{stem}_{index:04d}" if index else stem
