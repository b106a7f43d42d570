"""Whose turn it is: channels that wait are served one after the other."""

import threading


class Turns:
    """Remembers when each channel had its last turn. Every method is legal on any thread."""

    def __init__(self) -> None:
        """Begin with nobody served."""
        self._lock = threading.Lock()
        self._count = 0
        self._last: dict[str, int] = {}

    def last(self, channel: str) -> int:
        """Return a number that is higher the later the channel was served, 0 if it never was."""
        return self._last.get(channel, 0)

    def take(self, channel: str) -> None:
        """Note that the channel is being served now."""
        with self._lock:
            self._count += 1
            self._last[channel] = self._count
