"""Tests run beside each other, a worker on each of two cores, but for those that measure time: they run alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
except ImportError:  # Windows: nobody waits, and what is measured is less certain
    LOCK_EX = LOCK_SH = LOCK_UN = 0

    def flock(file, operation: int) -> None:
        pass


GATE, ROOM = Path(__file__), Path(__file__).with_name("conftest.py")  # any two files that all workers have


@contextmanager
def turn(alone: bool) -> Iterator[None]:
    """Waits for its turn, which it shares with others or not. Who waits to be alone keeps the gate shut behind it."""
    with GATE.open() as gate, ROOM.open() as room:
        flock(gate, LOCK_EX)
        flock(room, LOCK_EX if alone else LOCK_SH)
        if not alone:
            flock(gate, LOCK_UN)
        yield
