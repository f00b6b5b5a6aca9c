"""Whose turn it is at the model: some are at work, more stand in line, and who comes then is turned away."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from web.errors import RequestError

LOOK = 0.5  # seconds after which it is looked whether someone in line still waits


class Turns:
    """`concurrent` requests are at work, `waiting` more stand in line, first come, first served; the next is turned away."""

    def __init__(self, concurrent: int, waiting: int, retry_after: int):
        self.free, self.waiting, self.retry_after = concurrent, waiting, retry_after
        self.line: deque[threading.Event] = deque()
        self.lock = threading.Lock()

    @contextmanager
    def take(self, gone: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Wait for a turn.

        Args:
            gone: whether nobody waits for the answer any more; then the place in line is for the next one.

        Raises:
            RequestError: as many as may are waiting already; or the client has gone.
        """
        turn = self._in_line()
        try:
            while not turn.wait(LOOK):
                if gone():
                    raise nobody_waits()
            yield
        finally:
            self._leave(turn)

    def _in_line(self) -> threading.Event:
        turn = threading.Event()
        with self.lock:
            if self.free:
                self.free -= 1
                turn.set()
            elif len(self.line) < self.waiting:
                self.line.append(turn)
            else:
                raise busy("Too many images are being analyzed.", self.retry_after)
        return turn

    def _leave(self, turn: threading.Event) -> None:
        with self.lock:
            if not turn.is_set():
                self.line.remove(turn)
            elif self.line:
                self.line.popleft().set()
            else:
                self.free += 1


def nobody_waits() -> RequestError:
    return RequestError(503, "stopped", "Nobody waits for the answer any more.")


def busy(why: str, seconds: int) -> RequestError:
    return RequestError(503, "busy", f"{why} Please try again in {seconds} seconds.", {"Retry-After": str(seconds)})
