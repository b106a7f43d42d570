"""The name of the control socket: made again when its file is gone, and nobody else's file is touched."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hotswapd.daemon.service.control_socket import ControlSocket


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[ControlSocket, Path]]:
    path = tmp_path / "run" / "control.sock"
    name = ControlSocket(path)
    with name.open():
        yield name, path


def test_a_file_that_is_there_is_left_alone(place: tuple[ControlSocket, Path]) -> None:
    name, path = place
    inode = path.stat().st_ino
    assert name.open_again() is None
    assert path.stat().st_ino == inode


def test_a_removed_file_is_made_again(place: tuple[ControlSocket, Path]) -> None:
    name, path = place
    path.unlink()
    path.parent.rmdir()
    with capture_logs() as logged:
        made = name.open_again()
    assert made is not None
    with made, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert name.open_again() is None
    assert [one["event"] for one in logged] == ["control_socket_made_again"]


def test_a_foreign_file_is_reported_once_and_stays(place: tuple[ControlSocket, Path]) -> None:
    """Once it is gone, the socket comes back."""
    name, path = place
    path.unlink()
    path.write_text("somebody else's")
    with capture_logs() as logged:
        assert name.open_again() is None
        assert name.open_again() is None
    name.leave()
    assert path.read_text() == "somebody else's"
    assert [one["event"] for one in logged] == ["control_socket_lost"]


def test_at_the_end_it_is_removed(place: tuple[ControlSocket, Path]) -> None:
    name, path = place
    name.leave()
    assert not path.exists()
    name.leave()
