"""The control socket's file: its mode, and what is in its way."""

import os
import signal
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hotswapd.daemon.host.sockets import CannotListen, open_control


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_socket_is_for_owner_and_group(tmp_path: Path, umask: int) -> None:
    """Whatever the umask."""
    before = os.umask(umask)
    try:
        with closing(open_control(tmp_path / "c.sock")):
            assert stat.S_IMODE((tmp_path / "c.sock").stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_a_killed_daemons_socket_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    code = (
        f"import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen(); "
        "print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(CannotListen, match="another hotswapd"):
            open_control(path)
        process.send_signal(signal.SIGKILL)
    with closing(open_control(path)), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))


def test_a_socket_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with closing(open_control(path)) as listening:
        with pytest.raises(CannotListen, match="another hotswapd") as caught:
            open_control(path)
        assert caught.value.code == "already_running"
        with closing(listening.accept()[0]), socket.socket(socket.AF_UNIX) as client:  # the refused one's own probe
            client.connect(str(path))
            listening.accept()[0].close()


def test_a_file_in_the_way_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "c.sock"
    file.write_text("precious")
    with pytest.raises(CannotListen, match="not a socket"):
        open_control(file)
    assert file.read_text() == "precious"


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotListen, match="cannot be made"):
        open_control(tmp_path / "file" / "c.sock")
