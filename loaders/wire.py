"""Ending an exchange from outside: a blocked read ends within a moment of a stop, however silent the server is."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

# How often a watched exchange polls its stops, in seconds.
_POLL_SECONDS = 0.1


class Wire:
    """The sockets of one exchange. They are cut when a stop is set, or after too long without progress.

    Entered and left on the thread that waits for the server. The transport must report every connection that it
    uses: to `hold`, or to `trace`, which goes into a request's extensions.
    """

    def __init__(self, stops: tuple[threading.Event, ...], patience: float) -> None:
        """`patience` is in seconds, from the start or from the last `progress`."""
        self.cut_by: str | None = None
        self._stops = stops
        self._patience = patience
        self._until = time.monotonic() + patience
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="wire", daemon=True)

    def __enter__(self) -> Self:
        """Start watching."""
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching; no thread is left."""
        self._done.set()
        self._watcher.join()

    def progress(self) -> None:
        """Note that the server sent something: patience starts again."""
        self._until = time.monotonic() + self._patience

    def trace(self, event: str, detail: dict[str, Any]) -> None:
        """Note each socket as it is opened, and again when TLS has wrapped it."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self.hold(detail["return_value"].get_extra_info("socket"))

    def hold(self, opened: socket.socket) -> None:
        """Note a socket that is used from now on; it may be noted again."""
        with self._lock:
            if opened not in self._sockets:
                self._sockets.append(opened)
            if self.cut_by is not None:
                _shut(opened)

    def _watch(self) -> None:
        while not self._done.wait(_POLL_SECONDS):
            if any(stop.is_set() for stop in self._stops):
                return self._cut("stopping")
            if time.monotonic() > self._until:
                return self._cut("too_slow")
        return None

    def _cut(self, why: str) -> None:
        with self._lock:
            self.cut_by = why
            for opened in self._sockets:
                _shut(opened)


def _shut(opened: socket.socket) -> None:
    """End reads that are under way. Closing would not, and an SSLSocket's own shutdown would confuse its reader."""
    with contextlib.suppress(OSError):  # it is closed already
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
