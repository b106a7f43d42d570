"""The real daemon whose machine's clock is set an hour on and an hour back: nothing waits for it to catch up."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.alone import start_alone
from kits.faults import Clients, asked_all_the_while, goes_live, offer, only_in_full, until_reason
from kits.needs import need
from kits.room import Room, make_room

HOUR = 3600


def library() -> Path | None:
    """Find the library that answers a process's questions for the time of day."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else None


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """Give a daemon whose clock is what a file says; only the time of day, as a machine's own steps are."""
    need(library() and shutil.which("faketime"), "faketime")
    with make_room(tmp_path / "room") as room:
        set_clock(room, 0)
        room.arm("stage", "memory")
        start_alone(
            room,
            LD_PRELOAD=str(library()),
            FAKETIME_TIMESTAMP_FILE=str(room.root / "clock"),
            FAKETIME_NO_CACHE="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )
        goes_live(room, room.drop("run-0"))
        yield room


def set_clock(room: Room, seconds: int) -> None:
    """Set the clock of the daemon so far off from now on."""
    fresh = room.root / "clock.new"
    fresh.write_text(f"{seconds:+d}\n")
    fresh.rename(room.root / "clock")


def scanned(room: Room) -> str:
    return str(room.status()["sources"][0]["last_scan"])


@only_in_full
def test_steps_of_the_clock_hold_up_nothing(room: Room) -> None:
    """Back by an hour while a candidate waits for its next try, then on by two: adapters go live all the while."""
    with asked_all_the_while(room):
        (room.root / "now").touch()
        uri = room.drop("run-1")
        until_reason(room, uri, "HELD", "out_of_memory")
        before = scanned(room)
        set_clock(room, -HOUR)
        room.until(lambda: scanned(room) < before, "the clock was never set back")
        goes_live(room, uri)
        goes_live(room, offer(room))
        set_clock(room, HOUR)
        room.until(lambda: scanned(room) > before, "the clock was never set on")
        goes_live(room, offer(room))
    assert Clients(room).ask() == 4
