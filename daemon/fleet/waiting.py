"""How a step of a change is waited for on the worker's thread."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from hotswapd.daemon.engines.protocol import Caller, Patient
from hotswapd.swap.errors import ResidentLost

from .changes import Changes, Waits
from .shared.pointer import Pointer
from .shared.trail import TermLost

T = TypeVar("T")
BEAT = 0.02
"""Seconds between two looks at what replicas have reported."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Takes steps with the lock, and lets the caller rest between them without it; a pointer is written without it.

    `patience` is how long a pointer may take, in seconds. `on_wait` is called before each rest.
    """

    lock: threading.RLock
    patience: float
    beat: float
    on_wait: Callable[[], None]

    def wait(self, waits: Waits[T], caller: Caller) -> T:
        """Go on until it is done. Raises what the step raises, Interrupted, and ResidentLost at the term's end."""
        try:
            while True:
                with self.lock, ended():
                    try:
                        next(waits)
                    except StopIteration as done:
                        result: T = done.value
                        return result
                self.on_wait()
                caller.rest(self.beat)
        finally:
            with self.lock:
                waits.close()

    def point(self, changes: Changes, routes: Mapping[str, Mapping[str, Any]], highest: int = 0) -> None:
        """Write a pointer. Raises ResidentLost if that stays impossible: nobody knows then what is live."""

        def follow(pointer: Pointer) -> None:
            with self.lock:
                changes.fleet.follow(pointer)

        hurried = _Hurried(time.monotonic() + self.patience)
        with ended():
            for _ in changes.pointing(routes, highest, follow):
                self.on_wait()
                hurried.rest(self.beat)


class _Hurried(Patient):
    """Waits until a moment of `time.monotonic`, and no longer."""

    def __init__(self, until: float) -> None:
        self._until = until

    def rest(self, seconds: float) -> None:
        if time.monotonic() > self._until:
            raise ResidentLost("fleet.shared cannot be written; the watcher starts anew with what it says")
        super().rest(seconds)


@contextmanager
def ended() -> Iterator[None]:
    """Turn the loss of the term into what ends the process."""
    try:
        yield
    except TermLost as error:
        raise ResidentLost(str(error)) from None
