"""Both servers: what they do if a port is taken, and how they stop."""

import http.client
import socket
import threading
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import Front, front, servers
from kits.waiting import until

from hotswapd.daemon.control.client import NoDaemon
from hotswapd.daemon.host.sockets import open_tcp
from hotswapd.daemon.service.servers import CannotListen

JSON = {"Content-Type": "application/json"}
REQUEST = b'{"model": "m", "prompt": "hi"}'


def test_a_taken_port_is_refused_and_leaves_no_socket(tmp_path: Path) -> None:
    with closing(open_tcp("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}"):
            servers(FakeFace(), tmp_path, port=port).start()
    assert not (tmp_path / "c.sock").exists()


def test_stopping_lets_a_request_end_and_leaves_nothing(tmp_path: Path) -> None:
    """Both servers are closed, and no thread and no socket stays."""
    gate = threading.Event()
    face = FakeFace(gate=gate)
    both = servers(face, tmp_path)
    both.start()
    answers: list[int] = []
    port = both.address[1]

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/v1/completions", REQUEST, JSON)
        answers.append(connection.getresponse().status)

    asking = threading.Thread(target=ask)
    asking.start()
    assert face.waiting.acquire(timeout=30)
    stopping = threading.Thread(target=both.stop, args=(20,))
    stopping.start()
    gate.set()
    stopping.join(30)
    asking.join(30)
    assert answers == [200]
    assert not both.alive
    assert not (tmp_path / "c.sock").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_request_that_does_not_end_is_cut_after_the_drain(tmp_path: Path) -> None:
    gate = threading.Event()
    face = FakeFace(gate=gate)
    both = servers(face, tmp_path)
    both.start()
    connection = http.client.HTTPConnection("127.0.0.1", both.address[1], timeout=30)
    connection.request("POST", "/v1/completions", REQUEST, JSON)
    assert face.waiting.acquire(timeout=30)
    both.stop(1)
    assert not (tmp_path / "c.sock").exists()
    gate.set()
    connection.close()


def test_hundreds_may_connect_while_the_event_loop_is_busy(tmp_path: Path) -> None:
    """The kernel keeps them: with a full queue each would wait a second, and then try again."""
    busy, gate = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        gate.wait(60)

    with front(FakeFace(), tmp_path) as made, ExitStack() as stack:
        stack.callback(gate.set)
        made.servers.soon(hold)
        assert busy.wait(30)
        many = min(300, int(Path("/proc/sys/net/core/somaxconn").read_text()))
        for _ in range(many):
            stack.enter_context(socket.create_connection(made.servers.address, 5))


def test_a_control_socket_made_again_answers_and_ends_in_peace(tmp_path: Path) -> None:
    """A connection of the old one may stay open; the end waits for both servers."""
    with front(FakeFace(), tmp_path) as made, socket.socket(socket.AF_UNIX) as old:
        old.connect(str(made.socket))
        made.socket.unlink()
        made.servers.keep_control()
        until(lambda: _status(made), "the new socket does not answer")
        made.servers.keep_control()
        assert _status(made)
    assert not made.socket.exists()
    assert not made.servers.alive


def _status(made: Front) -> object:
    try:
        return made.client.get("/status")
    except NoDaemon:
        return None
