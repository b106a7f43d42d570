"""Time in which this process ran. A frozen process (SIGSTOP, a cgroup freezer, a paused machine) ages nothing by it.

Monotonic time runs on meanwhile, so a clock alone does not know. A thread of its own reads this clock several times a
second; a longer gap between two readings, whoever makes the second one, is time in which the process did not run.
Readings of this thread that come a little late tell of a machine with too much other work: what a request took then is
no evidence about an adapter either.
"""

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)
_TICK, _GAP = 0.2, 1.0
"""Seconds between two readings of the ticker, and after which a gap counts as a stall."""
_LATE = 0.05
"""Seconds that a reading of the ticker may come late: a thread that has next to nothing to do waits for a processor."""


class RunningClock:
    """Seconds like `time.monotonic`, without those in which the process did not run. Legal on any thread."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, on_stall: Callable[[float], None] = lambda _: None
    ) -> None:
        """`on_stall` gets the seconds of each stall, on the ticker's thread."""
        self._clock = clock
        self._on_stall = on_stall
        self._lock = threading.Lock()
        self._seen: float | None = None
        self._stalled = 0.0
        self._unreported = 0.0
        self._due: float | None = None
        self._late = float("-inf")

    def __call__(self) -> float:
        """Read the clock."""
        with self._lock:
            now = self._clock()
            if self._seen is not None:
                gap, self._seen = now - self._seen, now
                if gap > _GAP:
                    self._stalled += gap
                    self._unreported += gap
            return now - self._stalled

    def start(self, stop: threading.Event) -> threading.Thread:
        """Start the ticker: from now on gaps count, until `stop`."""
        thread = threading.Thread(target=self._tick, args=(stop,), name="ticker", daemon=True)
        self.begin()
        thread.start()
        return thread

    def begin(self) -> None:
        """Count gaps from now on."""
        with self._lock:
            self._seen = self._clock()

    def tick(self) -> None:
        """Take one of the regular readings; for the ticker's thread."""
        with self._lock:
            now = self._clock()
            if self._is_overdue(now):
                self._late = now
            self._due = now + _TICK
        self.report()

    def was_late(self, seconds: float) -> bool:
        """Tell whether a regular reading has come late within the last so many seconds, or is late now."""
        with self._lock:
            now = self._clock()
            return now - self._late <= seconds or self._is_overdue(now)

    def _is_overdue(self, now: float) -> bool:
        return self._due is not None and now > self._due + _LATE

    def report(self) -> None:
        """Read the clock, and report the stall that was seen since the last report, by whomever."""
        self()
        with self._lock:
            seconds, self._unreported = self._unreported, 0.0
        if seconds:
            self._on_stall(seconds)
            log.warning(
                "process_stalled",
                seconds=round(seconds, 1),
                detail="the process was frozen or its machine is overloaded; this time is no evidence about an adapter",
            )

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(_TICK):
            self.tick()
        with self._lock:
            self._seen = self._due = None  # nobody reads it regularly any more
