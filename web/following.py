"""Work in a thread that tells how far it is, followed from a generator; it stops when that is closed, or the server."""

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from web.analysis import Progress
from web.errors import RequestError

T = TypeVar("T")


ended = threading.Event()  # set: the server has, and nothing more is to be done


class Stopped(Exception):
    """Raised in the work when nobody waits for it any more."""


def stop_all() -> None:
    """Stop whatever is at work where it next tells how far it is, and begin nothing: Python waits for such threads to end."""
    ended.set()


def follow(work: Callable[[Progress], T]) -> Generator[tuple[int, int], None, T]:
    """Yields (done, total) each time that `work` tells, and returns what it returns.

    Closing the generator stops the work where it next tells how far it is, and waits for that.

    Raises:
        RequestError: the server was stopped meanwhile.
    """
    told: queue.SimpleQueue = queue.SimpleQueue()
    stopped = threading.Event()

    def progress(done: int, total: int) -> None:
        if stopped.is_set() or ended.is_set():
            raise Stopped
        told.put((done, total))

    if ended.is_set():
        raise was_stopped()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, progress)
        future.add_done_callback(lambda _: told.put(None))
        try:
            while (step := told.get()) is not None:
                yield step
            return future.result()
        except Stopped:
            raise was_stopped() from None
        finally:
            stopped.set()


def was_stopped() -> RequestError:
    return RequestError(503, "stopped", "The server was stopped.")
