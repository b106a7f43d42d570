"""What the daemon tells its service manager: the protocol over a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswapd.daemon.host.notify import Notify

Manager = tuple[str, socket.socket]


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Listen as a service manager does; yields the address as it is given to the service, and the socket."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@hotswapd-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listener.settimeout(30)
        yield address, listener


def heard(listener: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in listener.recv(4096).decode().splitlines())


def test_each_report_is_one_datagram(manager: Manager) -> None:
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


def test_a_status_is_one_line_and_sent_once(manager: Manager) -> None:
    """A sentence with a line's end cannot become a variable of its own, and the last sentence is not sent again."""
    address, listener = manager
    notify = Notify(address)
    notify.status("live\nREADY=1")
    notify.status("live\nREADY=1")
    notify.status("other")
    assert heard(listener) == {"STATUS": "live READY=1"}
    assert heard(listener) == {"STATUS": "other"}


def test_a_long_sentence_is_cut(manager: Manager) -> None:
    """The kernel takes no datagram of any size, and what it never takes would hold up everything behind it."""
    address, listener = manager
    notify = Notify(address)
    notify.status("refused: " + "x" * 3_000_000)
    notify.ready("live")
    said = heard(listener)["STATUS"]
    assert said.startswith("refused: xxx")
    assert said.endswith("x...")
    assert heard(listener)["READY"] == "1"


def test_without_a_watchdog_nothing_pings(manager: Manager) -> None:
    """Nobody waits for a ping, so none is sent."""
    address, listener = manager
    notify = Notify(address)
    notify.alive()
    notify.ready("ready")
    assert "READY" in heard(listener)


def test_a_deaf_manager_stops_nothing(tmp_path: Path) -> None:
    """Without an address, without a socket there, or with a full one, the daemon goes on."""
    Notify().ready("nobody hears")
    Notify(str(tmp_path / "nothing")).ready("nobody is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        notify = Notify(str(tmp_path / "deaf"), watchdog=1.0)
        for _ in range(2000):
            notify.alive()
        assert deaf.recv(100) == b"WATCHDOG=1"


def test_the_watchdog_is_that_of_this_process() -> None:
    """A period that is meant for another process, or is not a number, does not count."""
    mine = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert Notify.of(mine).watchdog == 30.0
    assert Notify.of({"WATCHDOG_USEC": "30000000"}).watchdog == 30.0
    assert Notify.of(mine | {"WATCHDOG_PID": "1"}).watchdog == 0.0
    assert Notify.of(mine | {"WATCHDOG_USEC": "soon"}).watchdog == 0.0
    assert Notify.of({}).watchdog == 0.0


def test_a_full_socket_loses_no_status(tmp_path: Path) -> None:
    """What the socket does not take is sent later, in its order, of one kind only the last; pings are not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        notify = Notify(str(tmp_path / "notify"), watchdog=10.0, clock=lambda: 1.0)
        filled = _fill(str(tmp_path / "notify"))
        notify.reloading()
        notify.status("first")
        notify.ready("live")
        notify.status("second")
        notify.alive()
        notify.resend()
        for _ in range(filled):
            assert listener.recv(4096) == b"x"
        with pytest.raises(BlockingIOError):
            listener.recv(4096)
        notify.resend()
        notify.resend()
        said = [heard(listener) for _ in range(3)]
        with pytest.raises(BlockingIOError):
            listener.recv(4096)
    assert said == [
        {"RELOADING": "1", "MONOTONIC_USEC": "1000000"},
        {"READY": "1", "STATUS": "live"},
        {"STATUS": "second"},
    ]


def test_what_was_kept_goes_out_before_what_is_new(tmp_path: Path) -> None:
    """A manager whose socket is being made again hears of everything, the old first."""
    notify = Notify(str(tmp_path / "notify"))
    notify.ready("live")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        notify.status("other")
        assert heard(listener) == {"READY": "1", "STATUS": "live"}
        assert heard(listener) == {"STATUS": "other"}


def _fill(address: str) -> int:
    """Send until the socket takes nothing from anybody, and return how many datagrams it took."""
    count = 0
    for _ in range(10_000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            before = count
            try:
                while True:
                    sock.sendto(b"x", address)
                    count += 1
            except BlockingIOError:
                if count == before:
                    return count
    raise AssertionError("it takes everything")
