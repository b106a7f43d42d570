"""A lock that is handed out in the order of asking."""

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """First asked, first served. `threading.Lock` does not promise that: a loop that asks again at once would often win
    against a gate that waits.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        """Wait for the turn."""
        me = threading.Lock()
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Pass it on."""
        with self._guard:
            self._pass_on()

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
