"""What is made once it is needed: no start waits for it."""

from collections.abc import Callable
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
