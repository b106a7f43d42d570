"""What people do to a watched folder, seen by the real daemon: tidying up, writing over in place, odd names."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.adapters import digest_of
from kits.faults import mounted
from kits.room import Room, folder, home, make_room

from hotswapd.daemon.cli import main

SETTLE = 0.5
VOLUME = "-t", "tmpfs", "-o", "size=50m,mode=0755", "hotswapd-test"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with make_room(tmp_path / "room") as room:
        room.configure(source=f'{folder(settle=SETTLE)}\nmarker = "_SUCCESS"')
        yield room


def drop(room: Room, adapter: str, name: str = "") -> Path:
    """Rename an adapter with its marker into the watched folder."""
    place, part = room.root / "adapters" / (name or adapter), room.root / "part"
    shutil.copytree(home() / adapter, part)
    (part / "_SUCCESS").touch()
    return part.rename(place)


def drop_across(room: Room, adapter: str) -> Path:
    """Copy an adapter onto the volume that is watched, and rename it into place there."""
    part = room.root / "adapters" / f".{adapter}.tmp"
    shutil.copytree(home() / adapter, part)
    return part.rename(part.with_name(adapter))


def goes_live(room: Room, place: Path, adapter: str) -> None:
    assert room.outcome(place.as_uri())["state"] == "LIVE"
    room.until(lambda: room.status()["live"]["digest"] == digest_of(home() / adapter), "it does not go live")


def queued(room: Room, place: Path) -> list[str]:
    """Return states and reasons that the queue shows of an address."""
    return [f"{one['state']} {one['reason']}" for one in room.status()["queue"] if one["uri"] == place.as_uri()]


def test_tidying_up_makes_nothing_live(room: Room) -> None:
    """`mkdir archive; mv run-0 run-1 archive/`, with run-2 live; and a copy of an old one does go live."""
    room.ready()
    for adapter in ("run-0", "run-1", "run-2"):
        goes_live(room, drop(room, adapter), adapter)
    archive = room.root / "adapters" / "archive"
    archive.mkdir()
    for adapter in ("run-0", "run-1"):
        (archive.parent / adapter).rename(archive / adapter)
        row = room.outcome((archive / adapter).as_uri())
        assert (row["state"], row["reason"]) == ("SUPERSEDED", "renamed")
    said = room.until_logged("renamed", 2)
    assert said["was"] == (archive.parent / "run-1").as_uri()
    for path in (archive / "run-0").iterdir():
        (archive / "parts").mkdir(exist_ok=True)
        path.rename(archive / "parts" / path.name)
    assert room.outcome((archive / "parts").as_uri())["reason"] == "renamed"
    assert room.live() == 3
    shutil.copytree(archive / "run-1", archive.parent / "again")
    goes_live(room, archive.parent / "again", "run-1")
    assert room.live() == 4


def test_a_run_written_over_in_place_is_never_torn(room: Room) -> None:
    """Weights first, the configuration later than `settle`, with the last run's marker still there."""
    room.ready()
    run = drop(room, "run-0")
    goes_live(room, run, "run-0")
    shutil.copy(home() / "run-1" / "adapter_model.safetensors", run)
    room.until(lambda: "WAITING half_replaced" in queued(room, run), "it never waits for the configuration")
    assert room.live() == 1
    config = (home() / "run-1" / "adapter_config.json").read_bytes() + b"\n"
    (run / "adapter_config.json").write_bytes(config)
    room.until(lambda: room.live() == 2, "it does not go live")
    live = room.status()["live"]["digest"]
    assert live == digest_of(run)
    shutil.copy(home() / "run-2" / "adapter_model.safetensors", run)
    room.until(lambda: "WAITING half_replaced" in queued(room, run), "it never waits for the configuration")
    os.utime(run / "_SUCCESS")
    room.until(lambda: room.live() == 3, "a new marker does not end the wait")


@pytest.mark.parametrize("name", ["lora.20261128", "run-7.1a2b3c4d", "lora.partner-v2"])
def test_a_name_that_only_looks_temporary_goes_live(room: Room, name: str) -> None:
    room.ready()
    goes_live(room, drop(room, "run-0", name), "run-0")


def test_an_adapter_under_an_ignored_name_is_told_of(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    """Status and history have it with the rule; check and submit say so; renamed, it goes live."""
    room.ready()
    place = drop(room, "run-0", "lora.tmp")
    room.until(lambda: queued(room, place) == ["IGNORED temporary_name"], "status does not have it")
    (entry,) = room.status()["queue"]
    assert "the name 'lora.tmp' ends in .tmp: rename it" in entry["detail"]
    assert main(["check", str(place), "--config", str(room.config)]) == 0
    assert "ignored" in capsys.readouterr().out
    assert main(["submit", str(place), "--socket", str(room.root / "control.sock")]) == 3
    assert "ignored" in capsys.readouterr().err
    moved = place.rename(place.with_name("lora"))
    goes_live(room, moved, "run-0")
    assert room.status()["queue"] == []


def test_a_volume_mounted_again_is_watched_at_once(room: Room) -> None:
    """It has the same device number and inode, and full scans are an hour apart: only events can tell."""
    room.configure(source=folder(settle=0.1, rescan=3600.0))
    watched = room.root / "adapters"
    with mounted(watched, *VOLUME):
        room.ready()
        first = watched.stat()
        goes_live(room, drop_across(room, "run-0"), "run-0")
    with mounted(watched, *VOLUME):
        again = watched.stat()
        goes_live(room, drop_across(room, "run-1"), "run-1")
        room.until(room.at_rest, "it does not come to rest")
        goes_live(room, drop_across(room, "run-2"), "run-2")
    assert (first.st_ino, room.live()) == (again.st_ino, 3)
