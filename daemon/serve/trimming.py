"""Memory goes back to the system after a burst: the C library would keep it for requests that never come again."""

import ctypes
import threading
import time
from collections.abc import Callable

_BURST = 32 << 20
"""Bytes of bodies after which it is worth while."""
_REST = 10.0


def _malloc_trim() -> Callable[[int], int] | None:
    """Find glibc's function; other C libraries have none, and need none."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return found


class Trimming:
    """Counts what was read, and gives memory back once after a burst. `count` is for one thread, and does not wait."""

    def __init__(self, trim: Callable[[int], int] | None = _malloc_trim(), rest: float = _REST) -> None:  # noqa: B008
        """`trim` gives memory back, `rest` seconds after there was enough to give."""
        self._trim = trim
        self._rest = rest
        self._read = 0
        self._due = False

    def count(self, length: int) -> None:
        """Count a body that was read."""
        self._read += length
        if self._trim is None or self._due or self._read < _BURST:
            return
        self._due = True
        threading.Thread(target=self._later, args=(self._trim,), name="trim", daemon=True).start()

    def _later(self, trim: Callable[[int], int]) -> None:
        time.sleep(self._rest)
        self._read, self._due = 0, False
        trim(0)
