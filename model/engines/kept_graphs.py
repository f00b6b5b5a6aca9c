"""Graphs that OpenVINO has compiled, kept from one start to the next: to read one is much the faster.

Each is a file in the user's cache folder, named by a hash of all that it came of, so that none of other weights, of another
OpenVINO or for another processor is ever taken; a checksum tells of one that was damaged. They hold weights, and nothing of
any slice. Where nothing can be written, nothing is kept.
"""

import hashlib
import os
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "EARLYMED_CACHE"
AUTO, NONE = "auto", "none"  # its values that are no folder
SUFFIX = ".compiled"
MOST = 8  # files; the oldest go first. A model.h5 has two networks, and may be run by several engines
CHECKSUM = 4  # bytes, before the graph: its CRC-32


def folder(told: str | None = None) -> Path | None:
    """Where graphs are kept, None: nowhere.

    Args:
        told: a folder, AUTO for the one that this system has for its users' caches, or NONE. None: what EARLYMED_CACHE says,
            else AUTO.
    """
    told = told or os.environ.get(VARIABLE) or AUTO
    if told == AUTO:
        import platformdirs  # by those alone who ask it

        try:
            place = platformdirs.user_cache_path("earlymed", appauthor=False)
        except RuntimeError:  # a user without a home
            return None
        return place if place.is_absolute() else None  # older versions begin it with "~" then
    return None if told == NONE else Path(told)


@dataclass(frozen=True)
class Shelf:
    """The graphs that came of one model.h5.

    Attributes:
        folder: where they lie; it is made when the first one is kept.
        sha256: of the file.
    """

    folder: Path
    sha256: str

    def name(self, *origins: str | bytes) -> str:
        """Of the graph that came of the file and of these, in this order, and of nothing else."""
        digest = hashlib.sha256(self.sha256.encode())
        for origin in origins:
            digest.update(hashlib.sha256(origin.encode() if isinstance(origin, str) else origin).digest())
        return digest.hexdigest() + SUFFIX

    def read(self, name: str) -> bytes | None:
        """The graph of that name; None where there is none, or it is damaged."""
        try:
            with (self.folder / name).open("rb") as file:
                checksum, graph = file.read(CHECKSUM), file.read()
        except OSError:
            return None
        return graph if checksum == _checksum(graph) else None

    def write(self, name: str, graph: bytes | memoryview) -> None:
        """Keep it, for this user alone. It is there as a whole or not at all, also for whoever reads at the same time."""
        with suppress(OSError):  # a folder that may not be written to, a full disk; another process that forgets, too
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._put(name, graph)
            newest = sorted(self.folder.glob(f"*{SUFFIX}"), key=lambda file: file.stat().st_mtime, reverse=True)
            for file in newest[MOST:]:
                file.unlink()

    def _put(self, name: str, graph: bytes | memoryview) -> None:
        number, unfinished = tempfile.mkstemp(SUFFIX, dir=self.folder)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(_checksum(graph))
                file.write(graph)
            Path(unfinished).replace(self.folder / name)
        except OSError:
            Path(unfinished).unlink()
            raise


def _checksum(graph: bytes | memoryview) -> bytes:
    return zlib.crc32(graph).to_bytes(CHECKSUM)
