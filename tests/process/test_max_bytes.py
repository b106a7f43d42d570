"""`state.max_bytes` in the real daemon: the store never grows beyond it, and what does not fit waits for room."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.faults import until_reason
from kits.folders import CONFIG, WEIGHTS
from kits.room import Room, home, make_room

from hotswapd.daemon.cli import main
from hotswapd.loaders.store.tally import size_of


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    with make_room(tmp_path / "room") as made:
        monkeypatch.setenv("HOTSWAPD_CONTROL__SOCKET", str(made.root / "control.sock"))
        yield made


def limit(room: Room, adapters: float) -> int:
    """Let the store hold so many adapters."""
    most = int(adapters * sum((home() / "run-0" / name).stat().st_size for name in (CONFIG, WEIGHTS)))
    room.configure(state=f"max_bytes = {most}")
    return most


def held(room: Room) -> int:
    return sum(size_of(path) for path in room.artifacts.iterdir())


def test_new_ones_take_the_place_of_old_ones(room: Room) -> None:
    """Room for two and a half: what is live and what a rollback goes back to are there, and nothing else."""
    most = limit(room, 2.5)
    room.ready()
    for index in range(3):
        assert room.outcome(room.drop(f"run-{index}"))["state"] == "LIVE"
        assert held(room) <= most
    assert len(list(room.artifacts.iterdir())) == 2
    assert main(["rollback"]) == 0
    assert room.live() == 2


def test_what_does_not_fit_waits_until_the_limit_is_raised(room: Room) -> None:
    """Nothing is lost meanwhile: what is live answers, and a reload is enough."""
    most = limit(room, 1.5)
    room.ready()
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
    uri = room.drop("run-1")
    row = until_reason(room, uri, "WAITING", "store_full")
    assert "state.max_bytes" in str(row["detail"])
    assert (room.live(), held(room) <= most) == (1, True)
    limit(room, 9.0)
    room.process.signal(signal.SIGHUP)
    assert room.outcome(uri)["state"] == "LIVE"
    room.until(lambda: room.live() == 2, "it does not go live")
