"""The order of turns, first asked, first served; and what it costs when two generations alternate."""

import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType


class FairLock:
    """A lock that is handed out in the order of asking, so that two busy lanes alternate step by step.

    `threading.Lock` gives no such promise: a lane that asks again at once would often win against one that waits.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._released_at = 0.0
        self._passing = 0.0
        self.passed_at: float | None = None
        """When (`time.perf_counter`) the turn was passed on to who has it now; None when that one did not wait."""
        self.handing = 0.0
        """CPU seconds that it took to pass this turn on and to take it; waiting costs none."""

    def __enter__(self) -> None:
        """Wait for the turn."""
        me, began = object(), time.thread_time()
        with self._changed:
            self._queue.append(me)
            waits = self._queue[0] is not me
            try:
                self._changed.wait_for(lambda: self._queue[0] is me)
            except BaseException:
                self._queue.remove(me)
                self._changed.notify_all()
                raise
            self.passed_at = self._released_at if waits else None
            self.handing = self._passing + time.thread_time() - began

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Pass it on."""
        began = time.thread_time()
        with self._changed:
            self._queue.popleft()
            self._released_at = time.perf_counter()
            self._changed.notify_all()
            self._passing = time.thread_time() - began


@dataclass(slots=True)
class Alternation:
    """The price of two busy generations, over the turns that found another image in the arena; times in seconds.

    `seconds` runs from the moment such a turn was passed on to its end, `copying` is the copy of its image, `handing`
    what the processor spent on passing the turn on and taking it. Written inside a turn; to be read from any thread.
    """

    turns: int = 0
    seconds: float = 0.0
    handing: float = 0.0
    copying: float = 0.0

    def count(self, since: float, copying: float, handing: float) -> None:
        """Count a turn that ends now and was passed on at `since` (`time.perf_counter`)."""
        self.turns += 1
        self.handing += handing
        self.copying += copying
        self.seconds += time.perf_counter() - since

    @property
    def share(self) -> float:
        """Which part of that time went into passing turns on and copying images."""
        return (self.handing + self.copying) / self.seconds if self.seconds else 0.0
