"""The watched folder disappears in every way a folder can: the daemon says so, and recovers."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from kits.alone import start_alone
from kits.faults import (
    asked_all_the_while,
    goes_live,
    mounted,
    offer,
    only_in_full,
    serve_first,
    source,
    spare,
    until_down,
    until_up,
)
from kits.room import Room, folder, make_room

QUICK = folder(settle=0.05, rescan=0.5)
RARE = folder(settle=0.05, rescan=3600.0)

FEW_WATCHES = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    *('echo 1 > /proc/sys/user/max_inotify_watches && exec "$@"', "sh"),
)
"""Become a program whose user may have one watch: a user of a namespace of its own."""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with make_room(tmp_path_factory.mktemp("folder") / "room") as room:
        room.configure(source=QUICK)
        serve_first(room)
        yield room


def there(room: Room) -> Path:
    return room.root / "adapters"


@contextmanager
def moved_away(room: Room) -> Iterator[Path]:
    """Rename the folder, and have an empty one in its place afterwards if nobody made one."""
    away = there(room).rename(room.root / f"away-{len(os.listdir(room.root))}")
    yield away
    there(room).mkdir(exist_ok=True)


@contextmanager
def deleted(room: Room) -> Iterator[None]:
    shutil.rmtree(there(room))
    yield
    there(room).mkdir()


@contextmanager
def a_file(room: Room) -> Iterator[None]:
    with moved_away(room):
        there(room).write_text("no folder")
        yield
        there(room).unlink()


@contextmanager
def a_circle(room: Room) -> Iterator[None]:
    with moved_away(room):
        there(room).symlink_to(there(room))
        yield
        there(room).unlink()


@contextmanager
def open_to_all(room: Room) -> Iterator[None]:
    there(room).chmod(0o777)
    yield
    there(room).chmod(0o755)


@pytest.mark.parametrize(
    ("going", "code"),
    [
        (deleted, "root_missing"),
        (moved_away, "root_missing"),
        (a_file, "root_not_directory"),
        (a_circle, "root_unreadable"),
        (open_to_all, "root_world_writable"),
    ],
)
def test_a_root_that_goes_is_down_by_name_until_it_is_back(
    room: Room, going: Callable[[Room], AbstractContextManager[None]], code: str
) -> None:
    """Status, metric and log say so; nothing is unloaded; what is dropped into the new one goes live."""
    with asked_all_the_while(room) as clients:
        with going(room):
            until_down(room, code)
            room.until(lambda: clients.metric('hotswapd_source_up{source="folder"}') == 0, "the metric never says so")
        until_up(room)
        goes_live(room, offer(room))
    assert clients.metric('hotswapd_source_up{source="folder"}') == 1


def test_a_root_that_was_renamed_over_is_watched_again(room: Room) -> None:
    """No scan fails, since a folder is always there: the log says that it is another one, and it is watched."""
    adapter = spare(room)
    fresh = room.root / f"fresh-{len(os.listdir(room.root))}"
    fresh.mkdir()
    with asked_all_the_while(room):
        there(room).rename(fresh.with_suffix(".old"))
        fresh.rename(there(room))
        goes_live(room, room.drop(adapter, fresh.name))
    said = "is not the same directory as before"  # where a scan fell between the two, it found none at all
    room.until(lambda: said in room.log.read_text() or room.events("source_down"), "nobody says so")


def test_a_root_is_watched_unmounted_and_mounted(room: Room) -> None:
    """What lies under the mount is another directory: both are scanned, and nothing live is lost."""
    with asked_all_the_while(room):
        with mounted(there(room), "-t", "tmpfs", "-o", "size=50m,mode=0755", "hotswapd-test"):
            goes_live(room, offer(room))
        goes_live(room, offer(room))


def test_an_overflow_of_the_kernels_queue_loses_no_adapter(tmp_path: Path) -> None:
    """Asleep for twenty thousand events, with full scans an hour apart: what was dropped among them goes live."""
    with make_room(tmp_path / "room") as room:
        room.configure(source=RARE)
        serve_first(room)
        room.process.signal(signal.SIGSTOP)
        try:
            limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
            for number in range(limit // 2):
                file = there(room) / f".{number % 7}"
                file.touch()
                file.unlink()
            uri = room.drop("run-1")
        finally:
            room.process.signal(signal.SIGCONT)
        with asked_all_the_while(room):
            goes_live(room, uri)
        assert "overflow" in room.log.read_text()


@only_in_full
def test_without_inotify_watches_the_folder_is_polled(tmp_path: Path) -> None:
    """The limit of this user is one watch: the log names the setting, and adapters go live though no event tells."""
    if subprocess.run([*FEW_WATCHES, "true"], check=False, capture_output=True).returncode:
        pytest.skip("lowering the watch limit needs user namespaces")
    with make_room(tmp_path / "room") as room:
        room.configure(source=RARE)
        for number in range(6):
            (there(room) / f"deep-{number}").mkdir()
        start_alone(room, *FEW_WATCHES)
        goes_live(room, room.drop("run-0"))
        with asked_all_the_while(room):
            goes_live(room, room.drop("run-1", "deep-5/late"))
        assert "max_user_watches" in room.log.read_text()
        assert source(room)["ok"]
