"""A watch that dies or cannot be started is started again; until then scans are more frequent."""

import os
from pathlib import Path

import pytest
from kits.clock import Clock

from hotswapd.loaders.bell import Bell
from hotswapd.loaders.local import watch
from hotswapd.loaders.local.watch import TreeWatch, is_remote


class Fake:
    """An observer under the control of a test."""

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


def test_a_replaced_root_is_watched_again_at_once(tree: TreeWatch, tmp_path: Path, starter: Starter) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tree.ensure((tmp_path / "a").stat())
    assert tree.ensure((tmp_path / "b").stat())
    assert [fake.stopped for fake in starter.made] == [1, 0]


def test_failing_starts_back_off_to_half_a_minute(
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


def test_a_lost_root_is_watched_again_at_once(tree: TreeWatch, tmp_path: Path, starter: Starter) -> None:
    tree.ensure(tmp_path.stat())
    tree.root_lost()
    assert starter.made[0].stopped == 1
    assert tree.ensure(tmp_path.stat())


def test_a_limited_watch_is_not_reliable(tree: TreeWatch, tmp_path: Path, starter: Starter) -> None:
    assert tree.ensure(tmp_path.stat())
    starter.made[0].limited = True
    assert not tree.ensure(tmp_path.stat())
    assert starter.made[0].stopped == 0


def test_a_limited_watch_is_retried_after_five_minutes(
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
def test_remote_file_systems_are_known_by_type(tmp_path: Path, kind: str, remote: bool) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        f"36 21 0:44 / /srv/adapters rw,noatime master:1 - {kind} server:/x rw,vers=4.2\n"
    )
    assert is_remote(os.makedev(0, 44), str(table)) is remote
    assert not is_remote(os.makedev(8, 1), str(table))
    assert not is_remote(os.makedev(0, 44), str(tmp_path / "missing"))
