"""What lies below a folder: one walk for every command line, so that all of them see the same files."""

import stat
from pathlib import Path
from typing import NamedTuple


class Found(NamedTuple):
    """What a walk came by.

    Attributes:
        files: sorted. Among them are links that lead nowhere: reading them says so.
        closed: the folders that cannot be opened, and why; nobody knows what they hold.
    """

    files: list[Path]
    closed: dict[Path, str]


def walk(top: Path) -> Found:
    """The files in a folder and below it, in linked folders too; a link to a folder that it lies in is not followed.

    What is hidden, as macOS' `._slice.jpg` and folders such as `.git`, is passed over, and so is what is neither a file nor a
    folder: to read a pipe would be to wait for it.
    """
    found = Found([], {})
    rest: list[tuple[Path, frozenset]] = [(top, frozenset())]
    while rest:
        folder, above = rest.pop()
        try:
            status, inside = folder.stat(), list(folder.iterdir())
        except OSError as error:
            found.closed[folder] = error.strerror
            continue
        here = status.st_dev, status.st_ino
        if here in above:
            continue
        for path in inside:
            mode = _mode(path)
            if path.name.startswith("."):
                continue
            if mode is not None and stat.S_ISDIR(mode):
                rest.append((path, above | {here}))
            elif mode is None or stat.S_ISREG(mode):
                found.files.append(path)
    found.files.sort()
    return found


def _mode(path: Path) -> int | None:
    """Of what a path leads to; None when that cannot be told, as of a broken link."""
    try:
        return path.stat().st_mode
    except OSError:
        return None
