"""The commands' client: how it finds the socket, and what it says when nobody answers on it."""

import threading
from contextlib import closing
from pathlib import Path

import pytest

from hotswapd.daemon.control.client import Client, NoDaemon, told_socket
from hotswapd.daemon.host.sockets import open_control


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoDaemon, match="is it running"):
        Client(tmp_path / "none.sock").get("/status")
    with pytest.raises(NoDaemon):
        Client(tmp_path / ("long" * 40)).get("/status")


def test_a_daemon_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """With advice, and within its limit."""
    with closing(open_control(tmp_path / "c.sock")), pytest.raises(NoDaemon, match=r"within 0\.1 s.*log"):
        Client(tmp_path / "c.sock", timeout=0.1).get("/status")


def test_another_program_is_not_taken_for_the_daemon(tmp_path: Path) -> None:
    with closing(open_control(tmp_path / "c.sock")) as sock:

        def answer() -> None:
            with closing(sock.accept()[0]) as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n[]")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NoDaemon, match="not hotswapd"):
            Client(tmp_path / "c.sock", timeout=30).get("/status")
        thread.join(30)


def test_the_nearest_word_on_the_socket_counts(tmp_path: Path) -> None:
    """The one given, else the environment's, else the configuration's; without any it has to be found."""
    config = tmp_path / "c.toml"
    config.write_text('[control]\nsocket = "/from/config"\n')
    environ = {"HOTSWAPD_CONTROL__SOCKET": "/from/environ"}
    assert str(told_socket(tmp_path, config, environ)) == str(tmp_path)
    assert str(told_socket(None, config, environ)) == "/from/environ"
    assert str(told_socket(None, config, {})) == "/from/config"
    assert told_socket(None, None, {}) is None
    config.write_text("[model]\n")
    assert str(told_socket(None, config, {})) == "/run/hotswapd/control.sock"
    config.write_text("[control\n")
    with pytest.raises(NoDaemon, match=r"c\.toml"):
        told_socket(None, config, {})
