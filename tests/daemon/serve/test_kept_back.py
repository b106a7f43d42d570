"""Refusals of an address that has had many are kept back, over a real socket, and hold nobody up."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import Front, front
from kits.rows import LONG
from kits.waiting import until

from hotswapd.daemon.serve import tarpit

LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
NOWHERE = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
GARBAGE = b"\x00\x01\r\n\r\n"


@contextmanager
def connected(made: Front, last: int = 1) -> Iterator[socket.socket]:
    """Connect from 127.0.0.`last`."""
    with socket.create_connection(made.servers.address, LONG, source_address=(f"127.0.0.{last}", 0)) as sock:
        yield sock


def asked(sock: socket.socket, request: bytes) -> bytes:
    """Send a request and return the status of its answer; the answer is small and has a body."""
    sock.sendall(request)
    said = b""
    while b"\r\n\r\n" not in said or said.endswith(b"\r\n\r\n"):
        piece = sock.recv(65536)
        if not piece:
            break
        said += piece
    return said[9:12]


def kept_back(face: FakeFace) -> float:
    lines = face.exposition().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("hotswapd_refusals_kept_back_total "))


def refused_often(made: Front) -> None:
    """Have 127.0.0.1 use up what is free; nothing is forgiven meanwhile, however slow the machine is."""
    with connected(made) as sock:
        assert {asked(sock, NOWHERE) for _ in range(tarpit.FREE)} == {b"404"}


def unforgiving(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Keep the first refusal that is not free back for so many seconds."""
    monkeypatch.setattr(tarpit, "PER_SECOND", 1e-6)
    monkeypatch.setattr(tarpit, "LONGEST", seconds)


@pytest.mark.parametrize(("request_", "status"), [(NOWHERE, b"404"), (GARBAGE, b"400")])
def test_a_refusal_comes_late_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: bytes, status: bytes
) -> None:
    unforgiving(monkeypatch, 0.2)
    face = FakeFace()
    with front(face, tmp_path) as made:
        refused_often(made)
        assert kept_back(face) == 0
        with connected(made) as sock:
            assert asked(sock, request_) == status
        assert kept_back(face) == 1


def test_what_is_no_refusal_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the same address nor of another, whose refusals do not wait either."""
    unforgiving(monkeypatch, 600.0)
    with front(FakeFace(), tmp_path) as made:
        refused_often(made)
        with connected(made) as held, connected(made) as same, connected(made, 2) as other:
            held.sendall(NOWHERE)
            assert asked(same, LIVE) == b"200"
            assert asked(other, LIVE) == b"200"
            assert asked(other, NOWHERE) == b"404"


@pytest.mark.parametrize("request_", [NOWHERE, GARBAGE])
def test_who_waits_for_a_refusal_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: bytes) -> None:
    """A full table closes such a connection before it refuses a new one."""
    unforgiving(monkeypatch, 600.0)
    face = FakeFace()
    with front(face, tmp_path, max_connections=1) as made:
        refused_often(made)
        with connected(made) as held:
            held.sendall(request_)
            until(lambda: kept_back(face) == 1, "it is not kept back", LONG)
            with connected(made, 2) as other:
                assert asked(other, LIVE) == b"200"
            assert held.recv(100) == b""
