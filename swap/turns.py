"""The order of turns: first asked, first served."""

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """A lock that is handed out in the order of asking, so that two busy lanes alternate step by step.

    `threading.Lock` gives no such promise: a lane that asks again at once would often win against one that waits.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    def __enter__(self) -> None:
        """Wait for the turn."""
        me = object()
        with self._changed:
            self._queue.append(me)
            try:
                self._changed.wait_for(lambda: self._queue[0] is me)
            except BaseException:
                self._queue.remove(me)
                self._changed.notify_all()
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Pass it on."""
        with self._changed:
            self._queue.popleft()
            self._changed.notify_all()
