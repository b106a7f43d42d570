"""Ending an exchange from outside: a blocked read ends within a moment of a stop, however silent the server is."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

# How often a watched exchange looks at its stops, in seconds.
_GLANCE = 0.1


class Wire:
    """The sockets of one exchange. It is cut when a stop is set, or when no progress came for too long.

    Entered and left on the thread that talks. The transport must tell of every connection that it uses: to
    `hold`, or to `trace`, which goes into a request's extensions.
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
        """Start to watch."""
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to watch; no thread is left."""
        self._done.set()
        self._watcher.join()

    def progress(self) -> None:
        """Say that the server has brought something: patience begins anew."""
        self._until = time.monotonic() + self._patience

    def trace(self, event: str, detail: dict[str, Any]) -> None:
        """Note each socket as it is opened, and again when TLS has wrapped it."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self.hold(detail["return_value"].get_extra_info("socket"))

    def hold(self, opened: socket.socket) -> None:
        """Note a socket that is used from now on; one that is noted already is not noted twice."""
        with self._lock:
            if opened not in self._sockets:
                self._sockets.append(opened)
            if self.cut_by is not None:
                _shut(opened)

    def _watch(self) -> None:
        while not self._done.wait(_GLANCE):
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
