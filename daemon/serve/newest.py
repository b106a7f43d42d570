"""What came lately, by name: the oldest is forgotten once there is too much."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
KEPT = 100_000


class Newest(Generic[T]):
    """The newest so many. Every method is legal on any thread."""

    def __init__(self, kept: int = KEPT) -> None:
        """Know nothing."""
        self._kept = kept
        self._lock = Lock()
        self._known: OrderedDict[str, T] = OrderedDict()

    def add(self, name: str, what: T) -> bool:
        """Remember what this name stands for; return whether it is new."""
        with self._lock:
            is_new = name not in self._known
            self._known[name] = what
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
            return is_new

    def take(self, name: str) -> T | None:
        """Return what this name stands for, and forget it; None if it is not known."""
        with self._lock:
            return self._known.pop(name, None)
