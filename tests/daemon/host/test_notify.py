"""What the daemon tells its service manager: the protocol over a real datagram socket."""

import os
import socket
from pathlib import Path

import pytest

from hotswapd.daemon.host.notify import Notify


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path):
    """Listen as a service manager does; yields the address as it is given to the service, and the socket."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@hotswapd-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listener.settimeout(10)
        yield address, listener


def heard(listener: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in listener.recv(4096).decode().splitlines())


def test_each_word_is_one_datagram_with_what_belongs_to_it(manager):
    """A reload carries its time, a start and an end the time that they may take, each in the same datagram."""
    address, listener = manager
    notify = Notify(address, watchdog=10.0, clock=lambda: 12.5)
    notify.working("loading the model", 2.5)
    assert heard(listener) == {"STATUS": "loading the model", "EXTEND_TIMEOUT_USEC": "2500000"}
    notify.extend(1.0)
    assert heard(listener) == {"EXTEND_TIMEOUT_USEC": "1000000"}
    notify.ready("generation 3 is live")
    assert heard(listener) == {"READY": "1", "STATUS": "generation 3 is live"}
    notify.reloading()
    assert heard(listener) == {"RELOADING": "1", "MONOTONIC_USEC": "12500000"}
    notify.alive()
    assert heard(listener) == {"WATCHDOG": "1"}
    notify.stopping("stopping", 80)
    assert heard(listener) == {"STOPPING": "1", "STATUS": "stopping", "EXTEND_TIMEOUT_USEC": "80000000"}


def test_a_status_is_one_line_and_said_once(manager):
    """A sentence with a line's end cannot become a variable of its own, and what was said last is not said again."""
    address, listener = manager
    notify = Notify(address)
    notify.status("live\nREADY=1")
    notify.status("live\nREADY=1")
    notify.status("other")
    assert heard(listener) == {"STATUS": "live READY=1"}
    assert heard(listener) == {"STATUS": "other"}


def test_without_a_watchdog_nothing_pings(manager):
    """Nobody waits for a ping, so none is sent."""
    address, listener = manager
    notify = Notify(address)
    notify.alive()
    notify.ready("ready")
    assert "READY" in heard(listener)


def test_a_manager_that_is_away_or_does_not_listen_stops_nothing(tmp_path: Path):
    """No socket, a full one and none at all: the daemon goes on."""
    Notify().ready("nobody hears")
    Notify(str(tmp_path / "nothing")).ready("nobody is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        notify = Notify(str(tmp_path / "deaf"), watchdog=1.0)
        for _ in range(2000):
            notify.alive()
        assert deaf.recv(100) == b"WATCHDOG=1"


def test_the_watchdog_is_the_one_that_was_set_for_this_process():
    """A period that is meant for another process, or is no number, is none."""
    mine = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert Notify.of(mine).watchdog == 30.0
    assert Notify.of({"WATCHDOG_USEC": "30000000"}).watchdog == 30.0
    assert Notify.of(mine | {"WATCHDOG_PID": "1"}).watchdog == 0.0
    assert Notify.of(mine | {"WATCHDOG_USEC": "soon"}).watchdog == 0.0
    assert Notify.of({}).watchdog == 0.0
