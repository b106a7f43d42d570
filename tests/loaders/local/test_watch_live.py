"""A folder under the real inotify: every change rings the bell, a dead watch is noticed, and nothing is left of it."""

import gc
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.folders import CONFIG, WEIGHTS, write_folder
from kits.waiting import until
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from hotswapd.loaders.bell import Bell
from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.local.inotify import Observer
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.store.store import Store

LONG = 30.0
# watchdog says so of every directory that appears while another is being added.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LocalSource]:
    (tmp_path / "root").mkdir()
    source = LocalSource("", tmp_path / "root", settle=0.0, rescan=15.0, clock=Clock())
    yield source
    source.close()


@pytest.fixture
def root(source: LocalSource) -> Path:
    return Path(source.path)


def rings(source: LocalSource, seconds: float = LONG) -> bool:
    return source._bell.wait(seconds)


def renamed_in(root: Path) -> None:
    write_folder(root.parent / "ready").rename(root / "ready")


def configmap_turn(root: Path) -> None:
    (root / "run" / "..data_tmp").symlink_to("..new")
    (root / "run" / "..data_tmp").rename(root / "run" / "..data")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: write_folder(root / "new"),
        renamed_in,
        configmap_turn,
        lambda root: (root / "run" / WEIGHTS).chmod(0o644),
        lambda root: (root / "run" / WEIGHTS).unlink(),
        lambda root: os.truncate(root / "run" / WEIGHTS, 3),
        lambda root: os.link(root / "run" / WEIGHTS, root / "run" / "other"),
    ],
    ids=["written", "renamed in", "configmap", "chmod", "deleted", "truncated", "linked"],
)
def test_every_way_of_changing_something_rings(source: LocalSource, root: Path, change: Callable[[Path], None]) -> None:
    write_folder(root / "run")
    (root / "run" / WEIGHTS).chmod(0o600)
    source.scan()
    assert not rings(source, 0.0)
    change(root)
    assert rings(source)


def test_scanning_and_fetching_ring_nothing(source: LocalSource, root: Path, tmp_path: Path) -> None:
    write_folder(root / "run")
    (sighting,) = source.scan().sightings
    source.fetch(sighting, Store(tmp_path / "store", reserve_bytes=0), threading.Event())
    source.scan()
    assert not rings(source, 0.2)


def test_a_root_renamed_and_replaced_is_noticed_and_watched(source: LocalSource, root: Path) -> None:
    source.scan()
    root.rename(root.parent / "old")
    write_folder(root / "run")
    assert len(source.scan().sightings) == 1
    rings(source, 0.0)
    write_folder(root / "run-2")
    assert rings(source)
    assert len(source.scan().sightings) == 2


def test_a_root_removed_and_made_again_is_watched(source: LocalSource, root: Path) -> None:
    source.scan()
    root.rmdir()
    with pytest.raises(SourceDown):
        source.scan()
    root.mkdir()
    source.scan()
    rings(source, 0.0)
    write_folder(root / "run")
    assert rings(source)


@pytest.mark.parametrize("part", ["observer", "emitter", "descriptor"])
def test_an_observer_whose_thread_died_is_noticed(tmp_path: Path, part: str) -> None:
    observer = Observer(str(tmp_path), Bell())
    assert observer.alive()
    (emitter,) = observer._observer.emitters
    thread = {"observer": observer._observer, "emitter": emitter, "descriptor": observer._fd}[part]
    thread.stop()
    thread.join(LONG)
    assert not observer.alive()
    observer.stop()


@pytest.mark.parametrize("part", ["emitter", "descriptor"])
def test_a_thread_that_ends_by_an_error_rings_and_is_replaced(
    source: LocalSource, root: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next scan comes at once and watches again. The real errors that are known are in test_watch_moves.py."""

    def broken(*_: object) -> None:
        raise KeyError(b"gone")

    source.scan()
    rings(source, 0.0)
    owner, name = {"emitter": (InotifyEmitter, "queue_events"), "descriptor": (InotifyFD, "handle_event")}[part]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, lambda self, *_, **__: broken())
        (root / "run").mkdir()
        running = source._watch._running
        assert isinstance(running, Observer)
        until(lambda: not running.alive(), "the thread does not end")
        assert rings(source)
    source._watch._retry_at = float("-inf")  # it has been watched for longer than a moment
    source.scan()
    assert source._watch._running is not running
    rings(source, 0.0)
    write_folder(root / "run-2")
    assert rings(source)


def test_lost_events_ring(tmp_path: Path) -> None:
    bell = Bell()
    observer = Observer(str(tmp_path), bell)
    lost = InotifyEvent(WatchDescriptor(-1), Mask(InotifyConstants.IN_Q_OVERFLOW), 0, b"")
    observer._fd.handle_event(lost)
    assert bell.wait(0.0)
    observer.stop()


def held() -> tuple[int, int]:
    """Count threads and descriptors; those of tests before may end meanwhile, so there may be fewer later."""
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def no_more_than(before: tuple[int, int]) -> bool:
    """Compare with what is held now; watchdog's threads close what they have a moment after they were told to end."""
    return all(now <= then for now, then in zip(held(), before, strict=True))


def test_a_failed_watch_leaves_nothing_open(tmp_path: Path) -> None:
    before = held()
    with pytest.raises(OSError, match="No such file"):
        Observer(str(tmp_path / "missing"), Bell())
    until(lambda: no_more_than(before), f"{held()} are held, and before it was {before}")


def test_close_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    before = held()
    for _ in range(5):
        source = LocalSource("", tmp_path)
        source.scan()
        source.close()
    until(lambda: no_more_than(before), f"{held()} are held, and before it was {before}")


LIMITED = """
import os, sys
from hotswapd.loaders.bell import Bell
from hotswapd.loaders.local.inotify import Observer
observer = Observer(sys.argv[1], Bell())
print(observer.limited, observer.alive())
observer.stop()
"""


def test_a_watch_limit_that_is_hit_is_noticed(tmp_path: Path) -> None:
    for n in range(6):
        (tmp_path / f"s{n}").mkdir()
    limit = "echo 4 > /proc/sys/user/max_inotify_watches && exec "
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", limit + '"$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("lowering the watch limit needs unprivileged user namespaces")
    done = subprocess.run(
        [*command, sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]
    assert "max_user_watches" in done.stderr


def test_no_adapter_is_lost_among_many_writers(tmp_path: Path) -> None:
    """Full scans are an hour apart here, so only events and settling can have found them."""
    root = tmp_path / "root"
    root.mkdir()
    source = LocalSource("", root, settle=0.02, rescan=3600.0)
    seen: set[str] = set()
    complete, stop = threading.Event(), threading.Event()

    def follow() -> None:
        while not stop.is_set():
            scan = source.scan()
            seen.update(s.uri.location for s in scan.sightings if s.waiting is None)
            if len(seen) == 200:
                complete.set()
            source.wait(scan.again_in)

    follower = threading.Thread(target=follow)
    follower.start()
    for n in range(100):
        write_folder(root / "deep" / f"in-place-{n}")
        write_folder(tmp_path / "aside" / f"moved-{n}").rename(root / f"moved-{n}")
    assert complete.wait(LONG)
    stop.set()
    source.close()
    follower.join(LONG)
    assert not follower.is_alive()
    assert (root / "moved-7" / CONFIG).exists()
