"""The real daemon under attack, in short; `make attack` does the same for ten minutes."""

import os
import random
import socket
from pathlib import Path

import pytest
from kits.hostile import hostile
from kits.room import home, make_room
from runs.attack import Siege
from runs.attack_kinds import KINDS, head, read_all

_BODIES = int(os.environ.get("HOTSWAPD_TEST_BODIES", "1500"))


@pytest.mark.slow
def test_users_are_answered_under_every_attack(tmp_path: Path) -> None:
    """No answer is wrong or missing, the process lives, and what it held comes back.

    How long they wait is for `make attack` to say: it has the machine to itself.
    """
    with make_room(tmp_path / "room") as room:
        room.configure(serve="max_connections = 200\nidle_timeout = 3\nread_timeout = 3")
        room.ready()
        attacked = Siege(room, list(KINDS), 26.0).run()
    assert attacked.faults() == []
    assert any(phase.first for phase in attacked.phases)  # two seconds each: on a busy machine not in every one


@pytest.mark.timeout(300 + _BODIES // 10)
def test_no_hostile_request_is_a_500(tmp_path: Path) -> None:
    chance = random.Random(7)
    with make_room(tmp_path / "room") as room:
        room.ready()
        host, _, port = room.until_logged("listening")["http"].rpartition(":")
        for _ in range(_BODIES):
            sent = hostile(chance, str(home() / "base"))
            said = _answer((host, int(port)), sent.method, sent.path, sent.headers, sent.body)
            assert said[:9] == b"HTTP/1.1 ", sent
            assert said[9:12] != b"500", sent
        assert room.process.ended() is None
        assert not room.events("Exception in ASGI application\n")


def _anybody() -> str:
    """Return one of the loopback's addresses: one that is refused again and again would have to wait."""
    return f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def _answer(place: tuple[str, int], method: str, path: str, headers: dict[str, bytes], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close"]
    lines += [name.encode() + b": " + value for name, value in headers.items()]
    with socket.create_connection(place, 60, source_address=(_anybody(), 0)) as sock:
        sock.sendall(b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body]))
        return read_all(sock)


def test_the_attackers_own_request_is_a_right_one() -> None:
    """What is refused is refused for what is wrong with it, not for its head."""
    assert head("/v1/completions", 3).startswith(
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    )
