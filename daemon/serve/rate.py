"""How much may be had in a minute: a bucket that fills evenly, and may be overdrawn by what was not known before."""

import threading
import time
from collections.abc import Callable

_MINUTE = 60.0


class Rate:
    """A token bucket of one minute. Every method is legal on any thread."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_minute` of 0 means any number."""
        self._most = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._left = float(per_minute)
        self._at = clock()

    def wait(self, count: int) -> float:
        """Return the seconds until so many may be had, 0 if they may now; a count of 0 waits for an overdraft."""
        if not self._most:
            return 0.0
        with self._lock:
            self._fill()
            lacking = min(count, self._most) - self._left if count else -self._left
            return max(0.0, lacking * _MINUTE / self._most)

    def spend(self, count: int) -> None:
        """Take so many out, more than there are too."""
        if self._most:
            with self._lock:
                self._fill()
                self._left -= count

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(float(self._most), self._left + (now - self._at) * self._most / _MINUTE)
        self._at = now
