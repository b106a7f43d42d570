"""The bell on which a source sleeps between two scans."""

import threading
import time


class Bell:
    """What a source sleeps on. Every method may be called on any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = self._woken = self._closed = False

    def ring(self) -> None:
        """Report that something may have changed; never raises, never blocks for long."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def wake(self) -> None:
        """End a wait at once, or the next one if none is under way."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """End this and every later wait at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, seconds: float, gap: float = 0.0) -> bool:
        """Sleep `seconds`, or until `gap` seconds after a ring, or until `wake`; return whether it was cut short.

        The gap gathers the many events of one copy into one scan.
        """
        with self._changed:
            until = time.monotonic() + max(seconds, 0.0)
            early = self._changed.wait_for(lambda: self._rung or self._woken or self._closed, max(seconds, 0.0))
            if early:
                rest = min(gap, until - time.monotonic())
                self._changed.wait_for(lambda: self._woken or self._closed, max(rest, 0.0))
            self._rung = self._woken = False
            return early
