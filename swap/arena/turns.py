"""The order of turns, first asked, first served, and what it costs when two generations alternate."""

import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType


class FairLock:
    """A lock that is handed out in the order of asking, so that two busy lanes alternate step by step.

    `threading.Lock` does not promise that: a lane that asks again at once would often win against one that waits.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Lock] = deque()
        self._released_at = 0.0
        self._passing = 0.0
        self.passed_at: float | None = None
        """When (`time.perf_counter`) the turn was passed on to its present holder; None when that one did not wait."""
        self.handing = 0.0
        """CPU seconds that it took to pass this turn on and to take it, without the waiting."""

    def __enter__(self) -> None:
        """Wait for the turn."""
        me, began = threading.Lock(), time.thread_time()
        me.acquire()
        with self._guard:
            self._queue.append(me)
            waits = len(self._queue) > 1
        if waits:
            try:
                me.acquire()  # until the previous holder passes it on, to this thread alone
            except BaseException:
                self._leave(me)
                raise
        self.passed_at = self._released_at if waits else None
        self.handing = self._passing + time.thread_time() - began

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Pass it on."""
        began = time.thread_time()
        with self._guard:
            self._released_at = time.perf_counter()
            self._pass_on()
            self._passing = time.thread_time() - began

    def _leave(self, me: threading.Lock) -> None:
        """Stop waiting; pass the turn on if it came at this very moment."""
        with self._guard:
            if self._queue[0] is me:
                self._pass_on()
            else:
                self._queue.remove(me)

    def _pass_on(self) -> None:
        self._queue.popleft()
        if self._queue:
            self._queue[0].release()


@dataclass(slots=True)
class Alternation:
    """The price of two busy generations, over the turns that found another image in the arena; times in seconds.

    `seconds` runs from the moment such a turn was passed on to its end, `copying` is the copy of its image, `handing`
    what the processor spent on passing the turn on and taking it. Written in a turn; may be read from any thread.
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
        """The share of that time that went into passing turns on and copying images."""
        return (self.handing + self.copying) / self.seconds if self.seconds else 0.0
