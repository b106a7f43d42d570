"""Where log lines leave the process: a bounded queue with a thread of its own, so that nobody waits for a reader.

A pipe whose reader has stopped, a terminal that is held, or a disk that hangs blocks the outlet's thread alone. Lines
that no longer fit are dropped and counted; once the reader goes on, one line says how many were lost.
"""

import io
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

_ROOM = 4 << 20
"""Bytes of lines that wait at most."""


class Outlet:
    """Writes lines to a stream. Every method is legal on any thread; none waits for the stream but `flush`.

    A stream without a file descriptor lies in memory and is written at once. `around` is entered for each write.
    """

    def __init__(self, stream: TextIO, report: Callable[[int], str], room: int = _ROOM) -> None:
        """`report` makes the line that says how many lines were dropped."""
        self.stream = stream
        self.dropped = 0
        self.around: Callable[[], AbstractContextManager[Any]] = nullcontext
        self._report = report
        self._room = room
        self._fd = _descriptor(stream)
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._unreported = 0
        self._writing = False
        self._thread: threading.Thread | None = None

    def put(self, line: str) -> None:
        """Write a line soon, or drop it if too much waits already."""
        if self._fd is None:
            with self.around():
                self.stream.write(line)
                self.stream.flush()
            return
        data = line.encode(errors="replace")
        with self._changed:
            if self._waiting and self._bytes + len(data) > self._room:
                self._drop()
                return
            self._waiting.append(data)
            self._bytes += len(data)
            self._start(self._fd)
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything is written, at most so many seconds; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, seconds)

    def lose(self) -> None:
        """Count a line that could not be made."""
        with self._changed:
            self._drop()

    def _drop(self) -> None:
        self.dropped += 1
        self._unreported += 1

    def _start(self, fd: int) -> None:
        """Start the thread with the first line, and again in a process that was forked since."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, args=(fd,), name="log", daemon=True)
            self._thread.start()

    def _run(self, fd: int) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                line = self._waiting.popleft()
                self._bytes -= len(line)
                self._writing = True
            with self.around():
                written = _written(fd, line)
            with self._changed:
                self._writing = False
                if not written:
                    self._drop()
                elif self._unreported:
                    self._waiting.appendleft(self._report(self._unreported).encode())
                    self._bytes += len(self._waiting[0])
                    self._unreported = 0
                self._changed.notify_all()


def _written(fd: int, line: bytes) -> bool:
    """Write a line; return False if the stream refuses it: a full disk, or a pipe that nobody holds any more."""
    try:
        while line:
            line = line[os.write(fd, line) :]
    except OSError:
        return False
    return True


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, io.UnsupportedOperation, AttributeError):
        return None
