"""The attacks, each a program that goes on until it is killed: ``python -m runs.attack_kinds KIND HOST PORT MODEL``.

Attackers come from addresses of their own on the loopback, and give way to everybody else on the machine: what is to be
measured is what the daemon does, not what the attackers leave of the processor.
"""

import contextlib
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

from kits.hostile import hostile
from kits.niceness import give_way

_LARGE = 7_800_000
_ADDRESSES = 5
_PATIENCE = 120.0


class Target:
    """Whom an attack is for; each connection comes from the next address."""

    def __init__(self, host: str, port: int, model: str) -> None:
        self.model = model
        self._place = host, port
        self._turn = count()

    def connect(self) -> socket.socket:
        sock = socket.socket()
        sock.settimeout(_PATIENCE)
        sock.bind((f"127.0.0.{2 + next(self._turn) % _ADDRESSES}", 0))
        sock.connect(self._place)
        return sock

    def post(self, body: bytes, path: str = "/v1/completions", **headers: str) -> bytes:
        """Send a request on a connection of its own, and return what comes back."""
        with self.connect() as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(head(path, len(body), **headers) + body)
            return read_all(sock)


def head(path: str, length: int, **headers: str) -> bytes:
    usual = {"Host": "localhost", "Content_Type": "application/json", "Connection": "close"} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in usual.items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, f"Content-Length: {length}", "", ""]).encode()


def read_all(sock: socket.socket) -> bytes:
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            said += piece
    return said


def nested(target: Target) -> None:
    """Lists in lists, as deep and as many as the largest body holds."""
    target.post(
        b'{"model": "m", "messages": ' + b"[" * (_LARGE // 2) + b"]" * (_LARGE // 2) + b"}", "/v1/chat/completions"
    )
    target.post(b'{"model": "m", "prompt": [' + b"[[]]," * (_LARGE // 5) + b"[]]}")


def items(target: Target) -> None:
    """Items just below and far above what is allowed, and a field for each item."""
    for number in (500, 4000, _LARGE // 4):
        target.post(b'{"model": "m", "messages": [' + b"[]," * number + b"[]]}", "/v1/chat/completions")
        target.post(b'{"model": "m", "prompt": [' + b"-1," * number + b"-1]}")
    target.post(json.dumps({f"f{index}": index for index in range(4000)}).encode())
    target.post(b'{"a": ' + b'"' * _LARGE)


def prompts(target: Target) -> None:
    """Prompts of every length up to the largest body."""
    for length in (300, 3000, 30_000, 300_000, _LARGE):
        text = "a" * length
        target.post(json.dumps({"model": target.model, "prompt": text, "max_tokens": 1}).encode())
        messages = [{"role": "user", "content": text}]
        target.post(json.dumps({"model": target.model, "messages": messages}).encode(), "/v1/chat/completions")


def vanishing(target: Target) -> None:
    """Clients that send a large prompt and go away at once."""
    body = json.dumps({"model": target.model, "prompt": "b" * _LARGE}).encode()
    for _ in range(5):
        with target.connect() as sock, contextlib.suppress(ConnectionError):
            sock.sendall(head("/v1/completions", len(body)) + body)


def half_bodies(target: Target) -> None:
    """A hundred bodies of which the last part never comes."""
    _hold(target, 100, head("/v1/completions", _LARGE) + b" " * (_LARGE * 2 // 3))


def half_heads(target: Target) -> None:
    _hold(target, 200, b"POST /v1/completions HTTP/1.1\r\nHost: local")


def idle(target: Target) -> None:
    _hold(target, 300, b"")


def unread(target: Target) -> None:
    """Streams and pages that nobody reads."""
    ask = json.dumps({"model": target.model, "prompt": "hello", "max_tokens": 100, "stream": True}).encode()
    first = head("/v1/completions", len(ask), Connection="keep-alive") + ask
    _hold(target, 40, first + b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)


def pages(target: Target) -> None:
    """What a web page can have a browser send, by forms, scripts and rebound names."""
    ask = json.dumps({"model": target.model, "prompt": "hello", "max_tokens": 1}).encode()
    for wanted, headers in (
        (b"421", {"Host": "evil.example"}),
        (b"403", {"Origin": "https://evil.example"}),
        (b"415", {"Content_Type": "text/plain"}),
    ):
        said = target.post(ask, **headers)
        if said and not said.startswith((b"HTTP/1.1 " + wanted, b"HTTP/1.1 503")):  # no words: its place was needed
            print(f"FAULT {headers}: {said[:200]!r}", flush=True)


def garbage(target: Target) -> None:
    """What is no HTTP: each such connection was a line in the log."""
    for _ in range(50):
        with target.connect() as sock, contextlib.suppress(ConnectionError):
            sock.sendall(random.randbytes(200) + b"\r\n\r\n")
            read_all(sock)


def fuzz(target: Target) -> None:
    """Requests with something wrong in them: any status but 500."""
    for _ in range(50):
        sent = hostile(random.Random(), target.model)
        lines = [b"Host: localhost", b"Connection: close", b"Content-Length: %d" % len(sent.body)]
        lines += [name.encode() + b": " + value for name, value in sent.headers.items()]
        first = f"{sent.method} {sent.path} HTTP/1.1".encode()
        with target.connect() as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"\r\n".join([first, *lines, b"", b""]) + sent.body)
            said = read_all(sock)
        if said[9:12] == b"500":
            print(f"FAULT 500 for {sent}: {said[-300:]!r}", flush=True)


def _hold(target: Target, number: int, sent: bytes) -> None:
    """Open so many connections, send, and hold them until the other side closes them."""
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(number):
            with contextlib.suppress(OSError):
                sock = stack.enter_context(target.connect())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.settimeout(0.5)
                held.append(sock)
                sock.sendall(sent)
        time.sleep(10.0)


KINDS: dict[str, tuple[Callable[[Target], None], int]] = {
    "nested": (nested, 5),
    "items": (items, 5),
    "prompts": (prompts, 5),
    "vanishing": (vanishing, 3),
    "half_bodies": (half_bodies, 1),
    "half_heads": (half_heads, 1),
    "idle": (idle, 1),
    "unread": (unread, 1),
    "pages": (pages, 2),
    "garbage": (garbage, 2),
    "fuzz": (fuzz, 3),
}
"""Each attack, and how many do it at once."""


def _for_ever(attack: Callable[[Target], None], target: Target, rounds: Iterator[int]) -> None:
    while True:
        with contextlib.suppress(OSError):
            attack(target)
        next(rounds)


def main() -> int:
    """Attack until killed."""
    kind, host, port, model = sys.argv[1:5]
    give_way()
    attack, threads = KINDS[kind]
    target = Target(host, int(port), model)
    for _ in range(threads):
        threading.Thread(target=_for_ever, args=(attack, target, count()), daemon=True).start()
    sys.stdin.read()  # it ends with whoever started it
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
