"""The port and the control socket; a hotswapd that has them is fine."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest
from kits.daemon_fakes import FakeFace
from kits.doctors import settings
from kits.fronts import front

from hotswapd.daemon.doctor.finding import Finding
from hotswapd.daemon.doctor.port import check_port, hotswapd_on


def checked(port: int, path: Path, host: str = "127.0.0.1") -> list[Finding]:
    return list(check_port(settings(serve={"port": port, "host": host}, control={"socket": str(path)})))


def test_a_free_port_and_a_place_for_the_socket_are_fine(tmp_path: Path) -> None:
    port, place = checked(0, tmp_path / "new" / "c.sock")
    assert (port.outcome, place.outcome) == ("fine", "fine")
    assert list(tmp_path.iterdir()) == []


def test_a_running_hotswapd_is_named_and_fine(tmp_path: Path) -> None:
    face = FakeFace()
    face.metrics.live(7, "file:///a", "ab" * 32)
    with front(face, tmp_path) as made:
        port, place = checked(made.servers.address[1], made.socket)
    assert (port.outcome, place.outcome) == ("fine", "fine")
    assert "a hotswapd that runs, with generation 7 live" in port.sentence
    assert "used by a daemon that runs" in place.sentence


def test_another_program_on_the_port_fails(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        other.settimeout(0)
        port, _ = checked(other.getsockname()[1], tmp_path / "c.sock")
    assert port.outcome == "fails"
    assert "cannot be listened on" in port.sentence


def test_another_web_server_is_not_taken_for_it() -> None:
    import http.server
    import threading

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        assert hotswapd_on("0.0.0.0", other.server_address[1]) == ""
        other.shutdown()


def test_an_address_of_another_machine_fails(tmp_path: Path) -> None:
    assert checked(0, tmp_path / "c.sock", host="203.0.113.7")[0].outcome == "fails"


def test_what_is_in_the_way_of_the_socket_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.sock").touch()
    assert "is not a socket" in checked(0, tmp_path / "c.sock")[1].sentence
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written" in checked(0, tmp_path / "d" / "c.sock")[1].sentence
