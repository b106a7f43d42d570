"""The control socket's file is removed under a running daemon: it is missed, made again and logged."""

import os
import shutil
import signal
import socket
from pathlib import Path

from kits.room import Room


def test_a_removed_socket_is_made_again(room: Room) -> None:
    """A cleaner removes the file: within a minute the commands work again, with the mode that they had."""
    room.ready()
    file = room.root / "control.sock"
    mode = file.stat().st_mode
    file.unlink()
    room.until(lambda: room.live() == 0, "nothing makes the socket again")
    assert file.stat().st_mode == mode
    assert room.until_logged("control_socket_made_again")["path"] == str(file)
    room.process.signal(signal.SIGTERM)
    assert room.process.wait() == 0
    assert not file.exists()


def test_a_removed_directory_is_made_again_too(room: Room) -> None:
    room.configure(control='socket = "{root}/run/hotswapd/control.sock"'.replace("socket", "socket"))
    text = room.config.read_text().replace(f'socket = "{room.root}/control.sock"\n', "")
    room.config.write_text(text)
    room.ready()
    file = room.root / "run" / "hotswapd" / "control.sock"
    shutil.rmtree(file.parent.parent)
    room.until(file.exists, "nothing makes the socket again")


def test_what_lies_in_its_place_is_left_alone(room: Room) -> None:
    """A file of somebody else's, or a socket that answers, is reported, and neither replaced nor removed at the end."""
    room.ready()
    file = room.root / "control.sock"
    file.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        _bind(other, file)
        other.listen(64)
        room.until_logged("control_socket_lost")
        inode = file.stat().st_ino
        room.process.signal(signal.SIGTERM)
        assert room.process.wait() == 0
        assert file.stat().st_ino == inode


def _bind(other: socket.socket, file: Path) -> None:
    """Take the name in one step, before the daemon can."""
    aside = file.with_name("other.sock")
    other.bind(str(aside))
    os.replace(aside, file)
