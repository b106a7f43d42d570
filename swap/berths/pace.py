"""Paces work that shares the interpreter and the memory with the requests, so that requests hardly notice."""

import time
from collections.abc import Callable
from dataclasses import dataclass

SHARE = 0.1
"""Of the time while requests are answered: staging without rests halved an H200's tokens per second (uncompiled)."""
AT_MOST = 10.0
"""Seconds of rest in total: a slow disk must not make a staging look like a hang."""
_WORTH_IT = 1e-3


@dataclass(slots=True)
class Pace:
    """Rests between two pieces of work long enough to keep to the share, while `busy` returns true.

    For one staging, and for the thread that leads it. `rest` waits for so many seconds; nothing else may run on the
    thread meanwhile, since the buffer is half filled.
    """

    busy: Callable[[], bool]
    rest: Callable[[float], None] = time.sleep
    rested: float = 0.0
    _owed: float = 0.0

    def __call__(self, spent: float) -> None:
        """Count a piece that took so many seconds, and rest when enough is owed."""
        self._owed += spent * (1.0 / SHARE - 1.0)
        if self._owed < _WORTH_IT:
            return
        pause, self._owed = min(self._owed, AT_MOST - self.rested), 0.0
        if pause > 0.0 and self.busy():
            self.rested += pause
            self.rest(pause)
