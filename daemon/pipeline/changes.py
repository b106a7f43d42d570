"""A count of changes, and a way to wait for the next one."""

import threading


class Changes:
    """Wakes waiting threads when something has changed. Every method is legal on any thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def notify(self) -> None:
        """Wake every thread that waits for a change."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def count(self) -> int:
        """Return the number for `wait`. Take it before you look, so that no change in between is missed."""
        with self._condition:
            return self._count

    def wait(self, since: int, seconds: float) -> None:
        """Return once something has changed since `count` returned this number, or after the seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != since, timeout=seconds)
