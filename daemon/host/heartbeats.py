"""Whether every thread still does its turns: each says when it will be heard of next, and is late after that."""

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

MAIN, WORKER, SERVERS, LANES = "main", "gpu worker", "servers", "lanes"


class Heartbeats:
    """The threads' own words. Every method is legal on any thread."""

    def __init__(self, limit: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit` is the seconds between two beats of a thread that asks for no other."""
        self.limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._grace = 0.0
        self._late: set[str] = set()

    def beat(self, name: str, seconds: float = 0.0) -> None:
        """Say that this thread is alive, and may stay silent for `seconds`, or the limit where that is longer.

        The first beat of a name makes it one of those that are waited for. Declare what a long step may take before
        it begins, and beat again when it is over.
        """
        with self._lock:
            self._due[name] = self._clock() + max(seconds, self.limit)

    def allow(self, seconds: float) -> None:
        """Let every thread stay silent for so long: a compilation keeps them all waiting, one behind the other."""
        with self._lock:
            self._grace = max(self._grace, self._clock() + seconds)

    def forget(self, name: str) -> None:
        """Wait for a thread no more, which has ended as it should."""
        with self._lock:
            self._due.pop(name, None)
            self._late.discard(name)

    def late(self) -> list[str]:
        """Name the threads that should have been heard of. Each is logged when it becomes late, and when it is back."""
        with self._lock:
            now = self._clock()
            late = {name for name, due in self._due.items() if max(due, self._grace) < now}
            fresh, back = late - self._late, self._late - late
            self._late = late
        for name in sorted(fresh):
            log.error("thread_late", thread=name, detail="it gives no sign of life; until it does, nor does the daemon")
        for name in sorted(back):
            log.warning("thread_back", thread=name)
        return sorted(late)


class Asked(threading.Event):
    """An event that somebody waits for while at work: each question whether it is set is a sign of life."""

    def __init__(self, real: threading.Event, hear: Callable[[], None]) -> None:
        """`real` is the event that is asked for, `hear` is called at each question."""
        super().__init__()
        self._real = real
        self._hear = hear

    def is_set(self) -> bool:
        """Say whether it is set."""
        self._hear()
        return self._real.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it."""
        self._hear()
        return self._real.wait(timeout)
