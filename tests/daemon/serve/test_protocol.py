"""Connections over a real socket: who says nothing, half of something, or reads nothing is not kept."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import Front, front
from kits.rows import LONG
from kits.waiting import until

from hotswapd.daemon.serve.protocol import DoorProtocol

HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
ASK = b'{"model": "m", "prompt": "hi"}'


@contextmanager
def connected(made: Front, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(made.servers.address, LONG) as sock:
        sock.settimeout(LONG)
        sock.sendall(sent)
        yield sock


def rest(sock: socket.socket) -> bytes:
    """Read until the server closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            said += piece
    return said


def connections(face: FakeFace) -> float:
    lines = face.exposition().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("hotswapd_connections "))


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Front]:
    with front(FakeFace(), tmp_path, idle_timeout=0.4, read_timeout=0.4) as made:
        yield made


def test_an_idle_connection_is_closed(quick: Front) -> None:
    """Before its first request and after it."""
    with connected(quick) as silent:
        assert rest(silent) == b""
    with connected(quick, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n") as one:
        assert rest(one).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        b"G",
        b"POST /v1/comp",
        HEAD,
        HEAD + b"Content-Length: 9\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
def test_half_a_request_is_closed_with_a_408(quick: Front, sent: bytes) -> None:
    with connected(quick, sent) as half:
        assert rest(half).startswith(b"HTTP/1.1 408 ")


def test_dripping_buys_no_time(quick: Front) -> None:
    """The limit is for the whole request: a byte now and then does not extend it."""
    with connected(quick, HEAD + b"Content-Length: 100000\r\n\r\n") as slow:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < LONG:
                slow.sendall(b" ")
                threading.Event().wait(0.05)
        assert time.monotonic() - began < LONG / 2


def test_a_body_after_its_refusal_is_not_read_for_ever(quick: Front) -> None:
    with connected(
        quick, b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n{"
    ) as refused:
        assert rest(refused).startswith(b"HTTP/1.1 415 ")


def test_a_request_in_time_is_answered_however_long_that_takes(tmp_path: Path) -> None:
    gate = threading.Event()
    with front(FakeFace(gate=gate), tmp_path, idle_timeout=0.2, read_timeout=0.2) as made:
        threading.Timer(1.0, gate.set).start()
        body = b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(ASK), ASK)
        with connected(made, HEAD + body) as patient:
            assert rest(patient).startswith(b"HTTP/1.1 200 ")


def test_requests_that_follow_one_another_are_all_answered(quick: Front) -> None:
    one = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(ASK), ASK)
    with connected(quick, one * 5) as pipelined:
        assert rest(pipelined).count(b"HTTP/1.1 200 ") == 5


def test_an_answer_that_nobody_reads_is_given_up(tmp_path: Path) -> None:
    """Although the client keeps the connection open, and neither side's buffers hold the answer."""
    face = FakeFace(shown={"large": "x" * (64 << 20)})
    with front(face, tmp_path, idle_timeout=60.0, read_timeout=0.4) as made:
        with connected(made, b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            until(lambda: connections(face) == 1, "nobody is connected", LONG)
            until(lambda: connections(face) == 0, "an unread answer is never given up", LONG)
        assert httpx.get(f"{made.url}/health/live").status_code == 200


def test_nothing_waits_for_an_acknowledgement(tmp_path: Path) -> None:
    """The kernel sends an answer's head and its body as they come, and every token of a stream."""
    face = FakeFace()
    with front(face, tmp_path) as made, connected(made):
        until(lambda: connections(face) == 1, "nobody is connected", LONG)
        (there,) = made.servers._door.connections._all
        assert isinstance(there, DoorProtocol)
        option = there.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert option


def test_the_oldest_idle_connection_makes_room(tmp_path: Path) -> None:
    with front(FakeFace(), tmp_path, max_connections=3, max_per_address=3) as made, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(made)) for _ in range(3)]
        assert httpx.get(f"{made.url}/health/live").status_code == 200
        assert rest(idle[0]) == b""


def test_a_full_table_refuses_with_a_sentence(tmp_path: Path) -> None:
    """While everybody in it is being answered."""
    gate = threading.Event()
    face = FakeFace(gate=gate)
    body = b"Content-Length: %d\r\n\r\n%s" % (len(ASK), ASK)
    with front(face, tmp_path, max_connections=2) as made, contextlib.ExitStack() as stack:
        busy = stack.enter_context(connected(made, HEAD + body))
        assert face.waiting.acquire(timeout=LONG)
        with connected(made) as refused:
            assert rest(refused).startswith(b"HTTP/1.1 503 ")
        gate.set()
        assert busy.recv(12) == b"HTTP/1.1 200"
        assert "hotswapd_connections_refused_total 1.0" in face.exposition().decode()
