"""Events ring the bell; when they cannot, the watch is rebuilt and the scans come sooner."""

import gc
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from folders import CONFIG, WEIGHTS, Clock, write_folder
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, Mask, WatchDescriptor

from hotswapd.loaders import watch
from hotswapd.loaders.bell import Bell
from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.inotify import Observer
from hotswapd.loaders.local import LocalSource
from hotswapd.loaders.store import Store
from hotswapd.loaders.watch import TreeWatch, is_remote

LONG = 30.0
# watchdog says so of every directory that appears while another is being added.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")


class Fake:
    """An observer that does as it is told."""

    def __init__(self) -> None:
        self.limited = False
        self.living = True
        self.stopped = 0

    def alive(self) -> bool:
        return self.living

    def stop(self) -> None:
        self.stopped += 1


class Starter:
    """Makes fakes, or fails as long as `error` is set; remembers when it was asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.error: Exception | None = None
        self.asked: list[float] = []
        self.made: list[Fake] = []

    def __call__(self, path: str, bell: Bell) -> Fake:
        self.asked.append(self.clock.now)
        if self.error is not None:
            raise self.error
        self.made.append(Fake())
        return self.made[-1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def starter(clock: Clock) -> Starter:
    return Starter(clock)


@pytest.fixture
def tree(tmp_path: Path, clock: Clock, starter: Starter) -> TreeWatch:
    return TreeWatch(str(tmp_path), Bell(), clock, starter)


def test_one_observer_serves_as_long_as_it_lives(tree: TreeWatch, tmp_path: Path, starter: Starter) -> None:
    assert all(tree.ensure(tmp_path.stat()) for _ in range(3))
    assert len(starter.made) == 1


def test_a_dead_observer_is_replaced(tree: TreeWatch, tmp_path: Path, clock: Clock, starter: Starter) -> None:
    tree.ensure(tmp_path.stat())
    starter.made[0].living = False
    clock.now += 15.0
    assert tree.ensure(tmp_path.stat())
    assert starter.made[0].stopped == 1
    assert len(starter.made) == 2


def test_another_directory_at_the_path_is_watched_anew_at_once(
    tree: TreeWatch, tmp_path: Path, starter: Starter
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tree.ensure((tmp_path / "a").stat())
    assert tree.ensure((tmp_path / "b").stat())
    assert [fake.stopped for fake in starter.made] == [1, 0]


def test_failing_starts_are_spaced_out_up_to_half_a_minute(
    tree: TreeWatch, tmp_path: Path, clock: Clock, starter: Starter
) -> None:
    starter.error = OSError(24, "inotify instance limit reached")
    begun = clock.now
    for _ in range(100):
        assert not tree.ensure(tmp_path.stat())
        clock.now += 1.0
    assert [at - begun for at in starter.asked] == [0, 1, 3, 7, 15, 31, 61, 91]
    starter.error = None
    clock.now += 30.0
    assert tree.ensure(tmp_path.stat())


def test_a_system_without_inotify_is_scanned_only(tree: TreeWatch, tmp_path: Path, starter: Starter) -> None:
    starter.error = ImportError("no inotify here")
    assert not tree.ensure(tmp_path.stat())


def test_a_root_that_was_lost_is_watched_at_once_when_it_is_back(
    tree: TreeWatch, tmp_path: Path, starter: Starter
) -> None:
    tree.ensure(tmp_path.stat())
    tree.lose()
    assert starter.made[0].stopped == 1
    assert tree.ensure(tmp_path.stat())


def test_events_are_not_counted_on_when_a_watch_was_not_granted(
    tree: TreeWatch, tmp_path: Path, starter: Starter
) -> None:
    assert tree.ensure(tmp_path.stat())
    starter.made[0].limited = True
    assert not tree.ensure(tmp_path.stat())
    assert starter.made[0].stopped == 0


def test_more_watches_are_asked_for_after_five_minutes(
    tree: TreeWatch, tmp_path: Path, clock: Clock, starter: Starter
) -> None:
    tree.ensure(tmp_path.stat())
    starter.made[0].limited = True
    clock.now += 299.0
    assert not tree.ensure(tmp_path.stat())
    clock.now += 3.0
    assert tree.ensure(tmp_path.stat())
    assert starter.made[0].stopped == 1


def test_a_remote_file_system_is_never_watched(
    tree: TreeWatch, tmp_path: Path, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "is_remote", lambda device: True)
    assert not tree.ensure(tmp_path.stat())
    assert starter.asked == []


def test_nothing_starts_after_close(tree: TreeWatch, tmp_path: Path, starter: Starter) -> None:
    tree.ensure(tmp_path.stat())
    tree.close()
    tree.close()
    assert not tree.ensure(tmp_path.stat())
    assert [fake.stopped for fake in starter.made] == [1]


@pytest.mark.parametrize(
    ("kind", "remote"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "cifs", "fuse.sshfs", "fuse", "9p")),
        *((kind, False) for kind in ("ext4", "xfs", "tmpfs", "overlay", "fuseblk")),
    ],
)
def test_remote_file_systems_are_told_by_their_type(tmp_path: Path, kind: str, remote: bool) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        f"36 21 0:44 / /srv/adapters rw,noatime master:1 - {kind} server:/x rw,vers=4.2\n"
    )
    assert is_remote(os.makedev(0, 44), str(table)) is remote
    assert not is_remote(os.makedev(8, 1), str(table))
    assert not is_remote(os.makedev(0, 44), str(tmp_path / "missing"))


@pytest.fixture
def source(tmp_path: Path):
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


def test_a_root_that_cannot_be_watched_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    before = held()
    with pytest.raises(OSError, match="No such file"):
        Observer(str(tmp_path / "missing"), Bell())
    assert all(now <= then for now, then in zip(held(), before, strict=True))


def test_close_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    before = held()
    for _ in range(5):
        source = LocalSource("", tmp_path)
        source.scan()
        source.close()
    assert all(now <= then for now, then in zip(held(), before, strict=True))


LIMITED = """
import os, sys
from hotswapd.loaders.bell import Bell
from hotswapd.loaders.inotify import Observer
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


def test_no_adapter_is_lost_while_many_are_written_in_every_way(tmp_path: Path) -> None:
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
