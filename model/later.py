"""What is made once it is needed, and what is done beside everything else: nobody waits for it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """Made when it is first asked for, by one thread while others wait; should that fail, who asks next tries again."""

    def __init__(self, make: Callable[[], T]):
        self._make, self._making = make, Lock()
        self._made: list[T] = []

    def made(self) -> T:
        with self._making:
            if not self._made:
                self._made.append(self._make())
                del self._make  # what it was made of is let go
        return self._made[0]

    def __call__(self, *given):
        """For a function that is made."""
        return self.made()(*given)


def beside(task: Callable[[], object]) -> Future | None:
    """Begin a task in a thread of its own, whose end the process waits for before its own. None: it ends already."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(task)
    except RuntimeError:  # no thread is begun any more
        return None
    finally:
        pool.shutdown(wait=False)
