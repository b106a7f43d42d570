"""A proxy before a real S3 server that misbehaves on demand: it delays, cuts, forges, and says nothing.

`S3Proxy` is used as a context manager; `url` is its address. The host a client signs for is passed on, so that
signatures hold. `fault` puts a misbehaviour in the way of matching requests, `seen` is all that came.
"""

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from kits.faulty import Faulty, FaultyExchange, Listener


@dataclass(frozen=True)
class Seen:
    """One request as it came in; header names in lower case."""

    line: str
    headers: Mapping[str, str]


class S3Proxy(Faulty["Exchange"]):
    """The server. `arrived` is set when a request is being kept waiting; leaving the context releases it."""

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.upstream = urlsplit(upstream).netloc
        self.seen: list[Seen] = []

    def __enter__(self) -> "S3Proxy":
        self.url = self.listen(_Listener(self))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Listener(Listener):
    def __init__(self, proxy: S3Proxy) -> None:
        self.proxy = proxy
        super().__init__(Exchange)


class Exchange(FaultyExchange):
    """One request and its answer."""

    server: _Listener

    @property
    def faulty(self) -> S3Proxy:
        return self.server.proxy

    def do_GET(self) -> None:
        proxy = self.server.proxy
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {self.path}"
        proxy.seen.append(Seen(line, {name.lower(): value for name, value in self.headers.items()}))
        act = proxy.fault_for(line)
        act(self) if act is not None else self.pass_on()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def upstream(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the real server the same, and return its whole answer."""
        connection = http.client.HTTPConnection(self.server.proxy.upstream, timeout=30)
        try:
            connection.request(self.command, self.path, self.body or None, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def pass_on(self) -> None:
        """Answer as the real server does."""
        self.answer(*self.upstream())

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, send: int | None = None) -> None:
        """Send an answer, or only its first `send` bytes."""
        self.send_response_only(status)
        skipped = {"transfer-encoding", "connection"} | (set() if self.command == "HEAD" else {"content-length"})
        for name, value in headers:
            if name.lower() not in skipped:
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:send])

    def refuse(self, status: int, code: str, message: str = "no", headers: Mapping[str, str] | None = None) -> None:
        """Answer with an error as S3 words it."""
        told = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        length = [("Content-Length", "0")] if self.command == "HEAD" else []
        self.answer(status, [("Content-Type", "application/xml"), *length, *(headers or {}).items()], told)


def refusing(status: int, code: str, message: str = "no", **headers: str) -> Callable[[Exchange], None]:
    """Make a fault that answers with an error of S3's."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.refuse(status, code, message, named)


def answering(status: int, body: bytes, **headers: str) -> Callable[[Exchange], None]:
    """Make a fault that answers with these bytes."""
    return lambda exchange: exchange.answer(status, list(headers.items()), body)


def hanging_up(exchange: Exchange) -> None:
    """Close the connection without an answer."""
    exchange.close_connection = True


def cutting(exchange: Exchange) -> None:
    """Promise the whole body, send half of it, and close the connection."""
    status, headers, body = exchange.upstream()
    exchange.answer(status, headers, body, send=len(body) // 2)
    exchange.close_connection = True


def stalling(exchange: Exchange) -> None:
    """Promise the whole body, send half of it, and say nothing more."""
    status, headers, body = exchange.upstream()
    exchange.answer(status, headers, body, send=len(body) // 2)
    exchange.wfile.flush()
    exchange.say_nothing()


def shortening(exchange: Exchange) -> None:
    """Send half of the body as if it were all."""
    status, headers, body = exchange.upstream()
    exchange.answer(status, headers, body[: len(body) // 2])


def dripping(exchange: Exchange) -> None:
    """Send a header that never ends, a byte now and then: no single read is ever slow."""
    proxy = exchange.server.proxy
    proxy.arrived.set()
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    while not proxy.released.wait(0.05):
        exchange.wfile.write(b"x")
