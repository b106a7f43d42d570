"""The real daemon on failing disks: asked all the while, it answers, says what is wrong, and goes on."""

import contextlib
import shutil
import signal
import sqlite3
from pathlib import Path

from kits.faults import (
    asked_all_the_while,
    fill,
    goes_live,
    mounted,
    only_in_full,
    serve_first,
    unreadable,
    until_reason,
)
from kits.folders import WEIGHTS
from kits.room import Room


def artifacts(room: Room) -> set[Path]:
    return set(room.artifacts.iterdir())


def held_before_it_is_tried(room: Room, adapter: str) -> tuple[str, Path]:
    """Have an adapter fetched while the queue is paused, and return its address and its copy in the store."""
    before = artifacts(room)
    room.client.post("/pause", {})
    uri = room.drop(adapter)
    until_reason(room, uri, "HELD", "paused")
    (copy,) = artifacts(room) - before
    return uri, copy


def test_an_io_error_in_the_store_holds_the_candidate(room: Room) -> None:
    """The copy opens and cannot be read: HELD `store_unreadable`, tried again by itself, live when the disk is well."""
    serve_first(room)
    with asked_all_the_while(room) as clients:
        uri, copy = held_before_it_is_tried(room, "run-1")
        with unreadable(copy / WEIGHTS):
            room.client.post("/resume", {})
            row = until_reason(room, uri, "HELD", "store_unreadable")
            assert "Input/output error" in str(row["detail"])
            assert room.live() == clients.ask() == 1
        assert room.outcome(uri)["state"] == "LIVE"
        room.until(lambda: clients.ask() == 2, "the new one never answers")


def test_a_vanished_copy_is_fetched_again(room: Room) -> None:
    """Somebody has deleted it: it waits as `artifact_lost`, its source delivers it again, and it goes live."""
    serve_first(room)
    with asked_all_the_while(room):
        uri, copy = held_before_it_is_tried(room, "run-1")
        shutil.rmtree(copy)
        room.client.post("/resume", {})
        assert room.outcome(uri)["state"] == "LIVE"
    assert any("is gone" in event["detail"] for event in room.events("WAITING"))


def test_losing_the_live_copy_does_not_stop_its_answers(room: Room) -> None:
    """What is in memory answers on; the next start says so, fetches it again, and serves it."""
    serve_first(room)
    (copy,) = artifacts(room)
    with asked_all_the_while(room):
        shutil.rmtree(copy)
    room.process.kill()
    room.ready()
    assert room.events("artifact_lost")
    room.until(lambda: room.live() > 0, "it is never live again")
    with asked_all_the_while(room) as clients:
        assert clients.ask() == room.live()


def test_a_store_without_inodes_keeps_an_adapter_waiting(room: Room) -> None:
    """No file can be made: WAITING `disk_full`, and what is live answers; it is fetched once there are some again."""
    room.state.mkdir()
    with mounted(room.state, "-t", "tmpfs", "-o", "size=600m,nr_inodes=200", "hotswapd-test"):
        serve_first(room)
        fillers = []
        with asked_all_the_while(room) as clients:
            try:
                for number in range(200):
                    fillers.append(room.state / f"filler-{number}")
                    fillers[-1].touch()
            except OSError:
                fillers.pop()
            uri = room.drop("run-1")
            until_reason(room, uri, "WAITING", "disk_full")
            assert clients.ask() == 1
            for filler in fillers:
                filler.unlink()
            assert room.outcome(uri)["state"] == "LIVE"
        room.process.kill()


def test_a_used_up_reserve_keeps_an_adapter_waiting(room: Room) -> None:
    """The ledger still has room, the store takes nothing: WAITING `disk_full` until there is space."""
    room.state.mkdir()
    with mounted(room.state, "-t", "tmpfs", "-o", "size=300m", "hotswapd-test"):
        serve_first(room)
        with asked_all_the_while(room) as clients:
            filler = room.state / "filler"
            with filler.open("wb") as file:
                file.write(bytes(64 << 20))
            uri = room.drop("run-1")
            row = until_reason(room, uri, "WAITING", "disk_full")
            assert "lower state.keep" in str(row["detail"])
            assert clients.ask() == 1
            filler.unlink()
            assert room.outcome(uri)["state"] == "LIVE"
        room.process.kill()


def test_a_log_whose_disk_is_full_stops_nothing(room: Room) -> None:
    """Every further line of the log is lost; adapters go live and requests are answered all the same."""
    disk = room.root / "logs"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", "size=256k", "hotswapd-test"):
        (disk / "log").touch()
        room.log.symlink_to(disk / "log")
        serve_first(room)
        with asked_all_the_while(room) as clients:
            fill(disk / "filler")
            page = -(-room.log.stat().st_size // 4096) * 4096  # what is left of its last page can still be written
            for number in (1, 2):
                assert room.outcome(room.drop(f"run-{number}"))["state"] == "LIVE"
            room.until(lambda: clients.ask() == 3, "the new one never answers")
            assert room.log.stat().st_size <= page
            (disk / "filler").unlink()
            room.process.signal(signal.SIGHUP)
            room.until(lambda: room.log.stat().st_size > page, "nothing is logged any more")
        room.process.kill()


@only_in_full
def test_a_locked_ledger_delays_swaps_and_no_answer(room: Room) -> None:
    """Another program holds it for longer than is waited: the status says so, and when it lets go all goes on."""
    serve_first(room)
    with asked_all_the_while(room) as clients:
        with contextlib.closing(sqlite3.connect(room.state / "ledger.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            uri = room.drop("run-1")
            room.until(lambda: room.events("ledger_down"), "nobody notices")
            assert "locked" in room.events("ledger_down")[-1]["detail"]
            assert clients.ask() == 1
        goes_live(room, uri)
