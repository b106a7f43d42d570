"""A repeated event is counted, not repeated: nobody who can provoke a line can fill a disk with it."""

import copy
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

_WINDOW = 60.0
_SAME = 5
"""Lines of one event, with the same fields, in one window."""
_NAMED = 1000
"""Lines of one event in one window, whatever its fields."""
_KNOWN = 2000
"""Events that are remembered at once; the oldest are forgotten."""
_PASSING = frozenset({"time", "timestamp", "seconds", "_record", "_from_structlog"})
"""Fields that differ each time an event repeats."""


@dataclass(slots=True)
class _Event:
    """What was seen of one event since its window began."""

    began: float
    most: int
    seen: int = 0
    last: logging.LogRecord | None = None
    unsaid: int = 0


class Repeats(logging.Filter):
    """Lets the first lines of an event pass and counts the others; at the end of a minute one line has their number.

    Put it on the handler whose lines it counts. Legal on any thread.
    """

    def __init__(
        self,
        handler: logging.Handler,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], None] | None = None,
    ) -> None:
        """`later` calls back after so many seconds: by itself on a thread of its own."""
        super().__init__()
        self._handler = handler
        self._clock = clock
        self._later = later or _on_a_thread
        self._lock = threading.Lock()
        self._events: OrderedDict[Hashable, _Event] = OrderedDict()
        self._due = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written now."""
        name, fields = _name_of(record), _fields_of(record)
        with self._lock:
            fresh = self._count((name, fields), _SAME, record) and self._count(name, _NAMED, record)
            start, self._due = not fresh and not self._due, self._due or not fresh
        if start:
            self._later(_WINDOW, self.flush)
        return fresh

    def flush(self) -> None:
        """Write the number of lines that were left out of each event, and begin a new window."""
        with self._lock:
            left_out = [event for event in self._events.values() if event.unsaid]
            self._events.clear()
            self._due = False
        for event in left_out:
            self._write(event)

    def _count(self, key: Hashable, most: int, record: logging.LogRecord) -> bool:
        now = self._clock()
        event = self._events.get(key)
        if event is None or (now - event.began >= _WINDOW and not event.unsaid):
            event = self._events[key] = _Event(now, most)
            self._events.move_to_end(key)
            self._forget_the_oldest()
        event.seen += 1
        if event.seen <= event.most:
            return True
        event.last, event.unsaid = record, event.unsaid + 1
        return False

    def _forget_the_oldest(self) -> None:
        """Keep the table small; events with an unwritten count stay until it is written."""
        while len(self._events) > _KNOWN:
            key, event = self._events.popitem(last=False)
            if event.unsaid:
                self._events[key] = event
                return

    def _write(self, event: _Event) -> None:
        assert event.last is not None  # it has been counted
        record = copy.copy(event.last)
        if isinstance(record.msg, dict):
            record.msg = {**record.msg, "repeated": event.unsaid}
        else:
            record.repeated = event.unsaid
        self._handler.acquire()
        try:
            self._handler.emit(record)
        finally:
            self._handler.release()


def _name_of(record: logging.LogRecord) -> tuple[str, int, str]:
    """Name the event: the text of a library's line is its name."""
    text = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
    return record.name, record.levelno, str(text)


def _fields_of(record: logging.LogRecord) -> Hashable:
    if not isinstance(record.msg, dict):
        return record.getMessage()
    return tuple(sorted((str(key), _shown(value)) for key, value in record.msg.items() if key not in _PASSING))


def _shown(value: Any) -> str:
    return type(value).__name__ if isinstance(value, BaseException | float) else str(value)[:300]


def _on_a_thread(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.name = "repeats"
    timer.start()
