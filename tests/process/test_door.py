"""The real daemon's front door: descriptors, a new certificate, and what a burst leaves behind."""

import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest
from kits.alone import start_alone
from kits.certificates import certify, serial
from kits.room import LIMIT, Room, make_room


def place(room: Room) -> tuple[str, int]:
    host, _, port = room.until_logged("listening")["http"].rpartition(":")
    return host, int(port)


def live(at: tuple[str, int]) -> bool:
    with socket.create_connection(at, LIMIT) as sock:
        sock.settimeout(LIMIT)
        sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return sock.recv(12) == b"HTTP/1.1 200"


def test_more_connections_than_descriptors_cost_a_line(tmp_path: Path) -> None:
    """There were 87,913 lines in a minute."""
    with make_room(tmp_path / "room") as room, contextlib.ExitStack() as stack:
        start_alone(room, "prlimit", "--nofile=256:256")
        at = place(room)
        for number in range(300):
            sock = stack.enter_context(socket.socket())
            sock.bind((f"127.0.0.{2 + number % 7}", 0))
            sock.connect(at)
        for _ in range(20):
            assert live(at)
        room.until_logged("connections_refused")
        assert room.events("connections_refused")[0]["times"] == 1  # there is another line after a minute
        assert len(os.listdir(f"/proc/{room.process.pid}/fd")) < 256
        assert len(room.log.read_text().splitlines()) < 100


def test_a_reload_shows_the_new_certificate(tmp_path: Path) -> None:
    """And a spoilt one is refused with its key, while the old one is shown."""
    with make_room(tmp_path / "room") as room:
        keys = certify(tmp_path, 1)
        room.configure(serve="\n".join(f'{name} = "{file}"' for name, file in keys.items()))
        room.ready()
        at = place(room)
        assert serial(at) == 1
        certify(tmp_path, 2)
        room.process.signal(signal.SIGHUP)
        room.until(lambda: serial(at) == 2, "the new certificate is never shown")
        (tmp_path / "cert.pem").write_text("nothing")
        room.process.signal(signal.SIGHUP)
        assert room.until_logged("reload_refused")["key"] == "serve.tls_cert"
        assert serial(at) == 2


@pytest.mark.parametrize("lines", ['tls_key = "/k.pem"', 'tls_cert = "/none.pem"'])
def test_tls_that_cannot_be_is_a_configuration_error(tmp_path: Path, lines: str) -> None:
    with make_room(tmp_path / "room") as room:
        room.configure(serve=lines)
        assert room.start().wait() == 78
