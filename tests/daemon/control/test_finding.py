"""Which daemon a command means when nobody names its socket."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import front_at

from hotswapd.daemon.config.paths import DEFAULT_NAME, Roots, roots_of
from hotswapd.daemon.control.client import NoDaemon
from hotswapd.daemon.control.finding import Several, accepts, find
from hotswapd.daemon.host.sockets import open_control

USER = 1000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of a user of whom no daemon runs, on a machine without one."""
    monkeypatch.setattr("hotswapd.daemon.control.finding.SYSTEM_SOCKET", tmp_path / "system.sock")
    return {"HOME": str(tmp_path)}


@pytest.fixture
def running(home: dict[str, str]) -> Iterator["Daemons"]:
    with ExitStack() as stack:
        yield Daemons(roots_of(home, USER), stack)


class Daemons:
    def __init__(self, roots: Roots, stack: ExitStack) -> None:
        self.roots = roots
        self._stack = stack

    def start(self, name: str = DEFAULT_NAME) -> Path:
        path = self.roots.socket(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stack.enter_context(front_at(FakeFace(), path))
        return path


def test_the_only_one_is_meant(home: dict[str, str], running: Daemons) -> None:
    path = running.start("sales")
    assert find(None, home, USER) == ("sales", path)


def test_of_several_one_must_be_named(home: dict[str, str], running: Daemons) -> None:
    """They are listed with what they serve."""
    first, second = running.start(), running.start("sales")
    with pytest.raises(Several) as caught:
        find(None, home, USER)
    assert str(caught.value).splitlines() == [
        "2 daemons of yours run: name one with --name",
        "  default: org/model",
        "  sales: org/model",
    ]
    assert [find(name, home, USER).socket for name in ("default", "sales")] == [first, second]


def test_one_that_was_killed_does_not_count(home: dict[str, str], running: Daemons) -> None:
    """Its socket file is still there."""
    dead = running.roots.socket("dead")
    open_control(dead).close()
    path = running.start()
    assert dead.exists()
    assert not accepts(dead)
    assert find(None, home, USER).socket == path
    with pytest.raises(NoDaemon, match=r"called dead answers on .*hotswapd-dead/control\.sock; there are default"):
        find("dead", home, USER)


def test_without_one_of_ones_own_that_of_the_machine_is_meant(
    home: dict[str, str], running: Daemons, tmp_path: Path
) -> None:
    open_control(tmp_path / "system.sock").close()
    assert find(None, home, USER) == ("of this machine", tmp_path / "system.sock")
    path = running.start()
    assert find(None, home, USER).socket == path


def test_none_at_all_is_said_with_the_places(home: dict[str, str]) -> None:
    with pytest.raises(NoDaemon) as caught:
        find(None, home, USER)
    assert f"{home['HOME']}/.local/state/hotswapd/control.sock or {home['HOME']}/system.sock" in str(caught.value)
    assert "hotswapd serve" in str(caught.value)


def test_a_user_without_a_home_is_told_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that a container has made up; with and without a name, and not as a trace."""
    monkeypatch.setattr("hotswapd.daemon.control.finding.SYSTEM_SOCKET", tmp_path / "system.sock")
    for name in (None, "sales"):
        with pytest.raises(NoDaemon, match="set HOME, or XDG_STATE_HOME"):
            find(name, {"HOME": "nowhere"}, USER)


def test_a_full_backlog_is_a_daemon(tmp_path: Path) -> None:
    """It is busy, and not dead."""
    import socket

    with socket.socket(socket.AF_UNIX) as server, ExitStack() as stack:
        server.bind(str(tmp_path / "c.sock"))
        server.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            try:
                waiting.connect(str(tmp_path / "c.sock"))
            except BlockingIOError:
                break
        assert accepts(tmp_path / "c.sock")


def test_one_that_says_nothing_of_its_model_is_listed_all_the_same(home: dict[str, str], running: Daemons) -> None:
    running.start()
    mute = running.roots.socket("mute")
    sock = open_control(mute)
    try:
        with pytest.raises(Several, match="mute: does not answer"):
            find(None, home, USER)
    finally:
        sock.close()
        os.unlink(mute)
