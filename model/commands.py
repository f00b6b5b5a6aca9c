"""What the command lines share: numbers they are given, what they are to write, names they print, how they end."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from model.inputs import UsageError

INTERRUPTED = 130  # as shells have it: 128 and the number of SIGINT
NOT_READ = 141  # of SIGPIPE: who reads the output, such as head, has seen enough


def positive(text: str) -> int:
    """For argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more. Received: {text!r}")
    return int(text)


def folder(text: str) -> Path:
    """For argparse: one that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a folder. Received: {text!r}, which is none")
    return path


def check_folders(*folders: Path | None) -> None:
    """Raises UsageError for one that cannot be made or written to: before the work, not after the first slice."""
    for path in filter(None, folders):
        if not _can_hold_files(path):
            raise UsageError(f"expected a folder for pictures that can be written to. Received: {path}")


def check_files(*files: Path | None) -> None:
    """The same for files. One that is there, and is to be written anew, must be a file that may be written to."""
    for file in filter(None, files):
        if file.is_dir() or not (os.access(file, os.W_OK) if file.exists() else _can_hold_files(file.parent)):
            raise UsageError(f"expected a file that can be written. Received: {file}")


def run_in_turn(planned: Iterable[list[str]], root: Path) -> int:
    """Run commands, each as arguments of python, in a folder, and tell each; the status of the first that fails, else 0."""
    for command in planned:
        print("$ python " + shlex.join(command), flush=True)
        status = subprocess.run([sys.executable, *command], cwd=root, check=False).returncode
        if status:
            return status
    return 0


def printable(text: str) -> str:
    r"""With a name's control characters as "\x1b": a terminal would obey them. What is no Unicode in it stays as it is."""
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else c.encode("unicode_escape").decode() for c in text)


def why(error: Exception) -> str:
    """One line: an error of the system's with the file it is about, any other in its own words."""
    known = isinstance(error, OSError) and error.strerror
    return f"cannot use {error.filename or 'the output'} ({error.strerror})" if known else str(error)


def _can_hold_files(path: Path) -> bool:
    there = next(place for place in (path, *path.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK)
