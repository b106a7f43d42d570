"""HTTP servers that misbehave on demand: what the stand-in for the Hub and the proxy before an S3 server share."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar

E = TypeVar("E", bound="FaultyExchange")


@dataclass
class Fault(Generic[E]):
    """A misbehaviour for requests whose line matches, `times` times."""

    pattern: str
    times: int
    act: Callable[[E], None]


class Faulty(Generic[E]):
    """Servers and their faults. `arrived` is set when a request is being kept waiting; `close` releases it."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.released = threading.Event()
        self._faults: list[Fault[E]] = []
        self._listeners: list[Listener] = []

    def listen(self, listener: "Listener") -> str:
        """Serve on a thread until `close`, and return the address."""
        self._listeners.append(listener)
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{listener.server_port}"

    def close(self) -> None:
        """Release every request that is kept waiting, and stop listening."""
        self.released.set()
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()

    def fault(self, pattern: str, act: Callable[[E], None], times: int = 1_000_000) -> None:
        """Let requests whose line, ``METHOD path`` and what the server adds to it, matches `pattern` go wrong."""
        self._faults.append(Fault(pattern, times, act))

    def mend(self) -> None:
        """End every fault."""
        self._faults.clear()

    def fault_for(self, line: str) -> Callable[[E], None] | None:
        """Return what the next fault that matches does, and count it."""
        for fault in self._faults:
            if fault.times > 0 and re.search(fault.pattern, line):
                fault.times -= 1
                return fault.act
        return None


class Listener(ThreadingHTTPServer):
    """A socket on the loopback, with a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, exchange: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), exchange)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that goes away in mid-answer: that is part of what is tested."""


class FaultyExchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"

    @property
    def faulty(self) -> Faulty[Any]:
        """Return the servers that this request came to."""
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        """Log nothing: the server's `seen` has every request."""

    def say_nothing(self) -> None:
        """Keep the connection open without a byte until the server is closed, or the client goes away."""
        self.faulty.arrived.set()
        self.connection.settimeout(0.05)
        while not self.faulty.released.is_set():
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.close_connection = True
