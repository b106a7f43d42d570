"""A blocked read ends soon after a stop or a silence, and goes on while something arrives."""

import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from kits.clock import LookedAt

from hotswapd.loaders.wire import Wire

SOON = 60.0


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(SOON)
    with ours, theirs:
        yield ours, theirs


def test_a_stop_ends_a_blocked_read(ends: tuple[socket.socket, socket.socket]) -> None:
    stop = threading.Event()
    with Wire((threading.Event(), stop), 600.0) as wire:
        wire.hold(ends[0])
        threading.Timer(0.05, stop.set).start()
        assert ends[0].recv(1) == b""
        assert wire.cut_by == "stopping"


def test_a_silence_ends_a_blocked_read(ends: tuple[socket.socket, socket.socket]) -> None:
    with Wire((threading.Event(),), 0.2) as wire:
        wire.hold(ends[0])
        assert ends[0].recv(1) == b""
        assert wire.cut_by == "too_slow"


def test_progress_starts_patience_again(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange takes four times its patience, and is never silent for that long; then it is, and is cut."""
    clock = LookedAt("wire")
    monkeypatch.setattr("hotswapd.loaders.wire.time", SimpleNamespace(monotonic=clock))
    with Wire((threading.Event(),), 60.0) as wire:
        wire.hold(ends[0])
        for _ in range(5):
            clock.pass_by(50.0)
            assert wire.cut_by is None
            wire.progress()
        clock.now += 61.0
        assert ends[0].recv(1) == b""
        assert wire.cut_by == "too_slow"


def test_a_socket_opened_after_the_cut_is_cut(ends: tuple[socket.socket, socket.socket]) -> None:
    stop = threading.Event()
    stop.set()
    with Wire((stop,), 600.0) as wire:
        until = time.monotonic() + SOON
        while wire.cut_by is None and time.monotonic() < until:
            threading.Event().wait(0.01)
        wire.hold(ends[0])
        assert ends[0].recv(1) == b""


@pytest.mark.parametrize("event", ["connection.connect_tcp.complete", "connection.start_tls.complete"])
def test_a_traced_connection_is_held(ends: tuple[socket.socket, socket.socket], event: str) -> None:
    stream = SimpleNamespace(get_extra_info={"socket": ends[0]}.get)
    with Wire((threading.Event(),), 0.1) as wire:
        wire.trace("connection.connect_tcp.started", {})
        wire.trace(event, {"return_value": stream})
        assert ends[0].recv(1) == b""


def test_a_closed_socket_does_not_stop_the_cut(ends: tuple[socket.socket, socket.socket]) -> None:
    closed, _ = socket.socketpair()
    closed.close()
    with Wire((threading.Event(),), 0.1) as wire:
        wire.hold(closed)
        wire.hold(ends[0])
        assert ends[0].recv(1) == b""


def test_no_thread_is_left() -> None:
    with Wire((threading.Event(),), 600.0):
        assert "wire" in [thread.name for thread in threading.enumerate()]
    assert "wire" not in [thread.name for thread in threading.enumerate()]
