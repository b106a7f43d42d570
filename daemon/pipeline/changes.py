"""A number that grows with each change, and the way to wait for the next one."""

import threading


class Changes:
    """Wakes whoever waits when something has changed. Every method is legal on any thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def notify(self) -> None:
        """Wake everybody who waits for a change."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def count(self) -> int:
        """Return a number for `wait`: take it before looking, so that nothing falls between."""
        with self._condition:
            return self._count

    def wait(self, since: int, seconds: float) -> None:
        """Return when something has changed since `count` gave this number, or after the seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != since, timeout=seconds)
