"""Whether every thread still takes its turns: each reports by when it reports next, and is late after that."""

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

WORKER, SERVERS = "gpu worker", "servers"


class Heartbeats:
    """The reports of the threads. Every method is legal on any thread."""

    def __init__(self, limit: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit` is the most seconds between two beats of a thread that asks for no more."""
        self.limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._grace = 0.0
        self._late: set[str] = set()

    def beat(self, name: str, seconds: float = 0.0) -> None:
        """Report that this thread is alive and may stay silent for `seconds`, or for the limit if that is longer.

        The first beat of a name makes it one of those that are waited for. Declare how long a step may take before it
        begins, and beat again when it is over.
        """
        with self._lock:
            self._due[name] = self._clock() + max(seconds, self.limit)

    def allow(self, seconds: float) -> None:
        """Let every thread stay silent for so many seconds: they all wait for a compilation, one behind the other."""
        with self._lock:
            self._grace = max(self._grace, self._clock() + seconds)

    def forget(self, name: str) -> None:
        """Stop waiting for a thread, which has ended as it should."""
        with self._lock:
            self._due.pop(name, None)
            self._late.discard(name)

    def late(self) -> list[str]:
        """Return the threads that are late. Each is logged when it becomes late, and when it is back."""
        with self._lock:
            now = self._clock()
            late = {name for name, due in self._due.items() if max(due, self._grace) < now}
            fresh, back = late - self._late, self._late - late
            self._late = late
        for name in sorted(fresh):
            log.error(
                "thread_late",
                thread=name,
                detail="it has not reported in time; until it does, the watchdog gets no ping",
            )
        for name in sorted(back):
            log.warning("thread_back", thread=name)
        return sorted(late)


class PolledEvent(threading.Event):
    """An event that a thread polls while it works: each poll is a sign of life."""

    def __init__(self, real: threading.Event, on_poll: Callable[[], None]) -> None:
        """`real` is the event that is polled; `on_poll` is called at each poll."""
        super().__init__()
        self._real = real
        self._on_poll = on_poll

    def is_set(self) -> bool:
        """Tell whether it is set."""
        self._on_poll()
        return self._real.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most `timeout` seconds."""
        self._on_poll()
        return self._real.wait(timeout)
