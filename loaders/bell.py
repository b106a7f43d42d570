"""The bell on which a source sleeps between two scans."""

import threading
import time


class Bell:
    """What a source sleeps on. Every method may be called on any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._hinted = self._woken = self._closed = False

    def hint(self) -> None:
        """Say that something may have changed; never raises, never blocks for long."""
        with self._changed:
            self._hinted = True
            self._changed.notify_all()

    def wake(self) -> None:
        """End a wait at once, or the next one when none is under way."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """End this and every later wait at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, seconds: float, gap: float = 0.0) -> bool:
        """Sleep `seconds`, or until `gap` seconds after a hint, or until `wake`; say whether it was rung.

        The gap gathers the many events of one copy into one scan.
        """
        with self._changed:
            until = time.monotonic() + max(seconds, 0.0)
            rung = self._changed.wait_for(lambda: self._hinted or self._woken or self._closed, max(seconds, 0.0))
            if rung:
                rest = min(gap, until - time.monotonic())
                self._changed.wait_for(lambda: self._woken or self._closed, max(rest, 0.0))
            self._hinted = self._woken = False
            return rung
