"""Directories that are moved out of a watched folder, and what takes their name: the watch outlives all of it.

Each sequence here is an ordinary one (archive a run, write the next under its name, tidy up) and ended one of
watchdog's threads, or its stop, with a KeyError, every time: where two watches have had one path, watchdog forgets the
path with the first of them and does not find it for the second.
"""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.folders import write_folder
from kits.waiting import until
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import WatchDescriptor

from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.local.inotify import Observer
from hotswapd.loaders.local.source import LocalSource

# watchdog says so of every directory that appears while another is being added.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LocalSource]:
    (tmp_path / "root").mkdir()
    source = LocalSource("", tmp_path / "root", settle=0.0, rescan=15.0, clock=Clock())
    source.scan()
    yield source
    source.close()


@pytest.fixture
def root(source: LocalSource) -> Path:
    return Path(source.path)


def running(source: LocalSource) -> Observer:
    found = source._watch._running
    assert isinstance(found, Observer)
    return found


def watched(observer: Observer) -> dict[WatchDescriptor, bytes]:
    """Return the path that watchdog has for each watch; it is empty when the emitter has stopped."""
    (emitter,) = observer._observer.emitters
    assert isinstance(emitter, InotifyEmitter)
    return {} if emitter._inotify is None else dict(emitter._inotify._active_callbacks_by_watch)


def two_watches_of_one_path(source: LocalSource, root: Path) -> Path:
    """Archive ``run``, and give its name to a directory watched before it; return where the archived one is."""
    observer, archived = running(source), root.parent / "archived"
    for name in ("next", "run"):  # that order matters: what is forgotten first takes the path with it
        (root / name).mkdir()
        until(lambda name=name: bytes(root / name) in watched(observer).values(), f"{name} is not watched")  # type: ignore[misc]
    (root / "run").rename(archived)
    (root / "next").rename(root / "run")
    until(lambda: list(watched(observer).values()).count(bytes(root / "run")) == 2, "the move was not seen")
    return archived


def test_an_archived_directory_whose_name_was_taken_can_be_removed(source: LocalSource, root: Path) -> None:
    archived, observer = two_watches_of_one_path(source, root), running(source)
    (root / "run").rmdir()
    until(lambda: len(watched(observer)) == 2, "the removal of the new directory was not seen")
    archived.rmdir()
    until(lambda: len(watched(observer)) == 1, "the removal of the archived directory was not seen")
    assert source._bell.wait(30.0)
    write_folder(root / "after")
    assert source._bell.wait(30.0)
    assert observer.alive()
    assert [len(source.scan().sightings), running(source)] == [1, observer]


def test_a_name_that_two_directories_have_had_does_not_hinder_the_end(source: LocalSource, root: Path) -> None:
    two_watches_of_one_path(source, root)
    observer = running(source)
    threads: list[threading.Thread] = [observer._fd, observer._observer, *observer._observer.emitters]
    source.close()
    until(lambda: not any(thread.is_alive() for thread in threads), f"not all of {threads} end")


def test_a_name_that_two_directories_have_had_does_not_hinder_a_new_root(
    source: LocalSource, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two_watches_of_one_path(source, root)
    before = running(source)
    shutil.rmtree(root)
    until(lambda: not watched(before), "the removal of the root was not seen")
    with pytest.raises(SourceDown, match="does not exist"):
        source.scan()
    write_folder(root / "run")
    assert [len(source.scan().sightings), running(source).alive()] == [1, True]
    assert "KeyError" not in caplog.text
