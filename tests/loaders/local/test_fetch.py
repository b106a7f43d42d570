"""Fetching copies exactly what was sighted, or nothing."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.costs import held_open
from kits.folders import CONFIG, WEIGHTS, weights, write_folder
from kits.waiting import until

from hotswapd.loaders.errors import Gone, LoadError, Refused, Unavailable
from hotswapd.loaders.local import source as local
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.source import Sighting
from hotswapd.loaders.store.store import Store

GO = threading.Event()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def source(root: Path) -> Iterator[LocalSource]:
    source = LocalSource("", root, settle=0.0, max_bytes=1 << 20, clock=Clock())
    yield source
    source.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", reserve_bytes=0)


def sight(source: LocalSource) -> Sighting:
    (sighting,) = (s for s in source.scan().sightings if not s.waiting or s.waiting.code != "temporary_name")
    assert sighting.waiting is None
    return sighting


def fails(source: LocalSource, sighting: Sighting, store: Store, stop: threading.Event = GO) -> LoadError:
    """Fetch in vain; whatever the reason, nothing may be left in the store."""
    with pytest.raises(LoadError) as raised:
        source.fetch(sighting, store, stop)
    assert os.listdir(store.root / "stages") == os.listdir(store.root / "artifacts") == []
    return raised.value


def during_copy(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Call `act` once, after the first piece of the weights was read."""
    pread, state = os.pread, {"reads": 0}

    def reading(fd: int, count: int, offset: int) -> bytes:
        piece = pread(fd, count, offset)
        state["reads"] += 1
        if state["reads"] == 2:
            act()
        return piece

    monkeypatch.setattr(local, "READ_BYTES", 64)
    monkeypatch.setattr(os, "pread", reading)


@pytest.mark.parametrize("where", ["", "run", "a/b/c/run"])
def test_a_fetched_adapter_is_the_one_sighted_byte_for_byte(
    source: LocalSource, root: Path, store: Store, where: str
) -> None:
    write_folder(root / where, b"\7" * 5000)
    artifact = source.fetch(sight(source), store, GO)
    config, tensors = (root / where / CONFIG).read_bytes(), (root / where / WEIGHTS).read_bytes()
    assert artifact.digest == hashlib.sha256(config + tensors).hexdigest()
    assert (artifact.path / WEIGHTS).read_bytes() == tensors
    (root / where / WEIGHTS).write_bytes(b"")
    assert (artifact.path / WEIGHTS).read_bytes() == tensors


def test_what_changed_since_the_sighting_is_not_fetched(source: LocalSource, root: Path, store: Store) -> None:
    write_folder(root / "run")
    sighting = sight(source)
    (root / "run" / WEIGHTS).write_bytes(weights(b"other"))
    assert fails(source, sighting, store).code == "changed"


def overwrite(file: Path) -> None:
    with file.open("r+b") as open_file:
        open_file.write(b"\0" * 100)


def grow(file: Path) -> None:
    with file.open("ab") as open_file:
        open_file.write(b"more")


def truncate(file: Path) -> None:
    os.truncate(file, 70)


def replace(file: Path) -> None:
    (file.parent / "new").write_bytes(b"n" * 500)
    (file.parent / "new").rename(file)


@pytest.mark.parametrize("change", [overwrite, grow, truncate, replace])
def test_a_change_during_the_copy_is_noticed(
    source: LocalSource,
    root: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
) -> None:
    write_folder(root / "run", b"\7" * 400)
    sighting = sight(source)
    during_copy(monkeypatch, lambda: change(root / "run" / WEIGHTS))
    error = fails(source, sighting, store)
    assert isinstance(error, Unavailable)
    assert error.code == "changed"


def test_a_changed_config_during_the_copy_is_noticed(
    source: LocalSource, root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(root / "run", b"\7" * 400)
    sighting = sight(source)
    during_copy(monkeypatch, lambda: grow(root / "run" / CONFIG))
    assert fails(source, sighting, store).code == "changed"


def test_what_is_deleted_during_the_copy_is_gone(
    source: LocalSource, root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(root / "run", b"\7" * 400)
    sighting = sight(source)
    during_copy(monkeypatch, (root / "run" / WEIGHTS).unlink)
    assert isinstance(fails(source, sighting, store), Gone)


def test_what_is_deleted_before_the_copy_is_gone(source: LocalSource, root: Path, store: Store) -> None:
    write_folder(root / "run")
    sighting = sight(source)
    (root / "run").rename(root / ".run")
    assert isinstance(fails(source, sighting, store), Gone)


def test_stopping_ends_the_copy(source: LocalSource, root: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(root / "run", b"\7" * 400)
    sighting, stop = sight(source), threading.Event()
    during_copy(monkeypatch, stop.set)
    assert fails(source, sighting, store, stop).code == "stopping"


def test_a_read_error_of_the_source_is_tried_again(
    source: LocalSource, root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(root / "run", b"\7" * 400)
    sighting = sight(source)

    def broken() -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    during_copy(monkeypatch, broken)
    error = fails(source, sighting, store)
    assert error.code == "read_failed"
    assert "Stale file handle" in error.sentence


def test_the_copy_does_not_begin_without_room_for_it(source: LocalSource, root: Path, tmp_path: Path) -> None:
    write_folder(root / "run")
    full = Store(tmp_path / "full", reserve_bytes=1 << 60)
    assert fails(source, sight(source), full).code == "disk_full"


def test_a_vanished_root_is_waited_for(source: LocalSource, root: Path, store: Store) -> None:
    write_folder(root / "run")
    sighting = sight(source)
    root.rename(root.parent / "away")
    error = fails(source, sighting, store)
    assert isinstance(error, Unavailable)
    assert error.code == "root_missing"


def linked_file(run: Path) -> None:
    (run / WEIGHTS).rename(run.parent.parent / "elsewhere")
    (run / WEIGHTS).symlink_to(run.parent.parent / "elsewhere")


def configmap(run: Path) -> None:
    (run / "..2026").mkdir()
    (run / "..data").symlink_to("..2026")
    for name in (CONFIG, WEIGHTS):
        (run / name).rename(run / "..2026" / name)
        (run / name).symlink_to(f"..data/{name}")


def linked_directory(run: Path) -> None:
    run.rename(run.parent / ".run")
    run.symlink_to(".run")


def fifo(run: Path) -> None:
    (run / CONFIG).unlink()
    os.mkfifo(run / CONFIG)


def hard_link(run: Path) -> None:
    os.link(run / WEIGHTS, run / "backup")


def world_writable_file(run: Path) -> None:
    (run / WEIGHTS).chmod(0o666)


def world_writable_directory(run: Path) -> None:
    run.chmod(0o777)


def large_config(run: Path) -> None:
    (run / CONFIG).write_bytes(b" " * (256 << 10) + b"{}")


def large_weights(run: Path) -> None:
    (run / WEIGHTS).write_bytes(weights(b"\1" * (1 << 20)))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (linked_file, "symlink"),
        (configmap, "symlink"),
        (linked_directory, "symlink"),
        (fifo, "not_regular"),
        (hard_link, "hard_link"),
        (world_writable_file, "world_writable"),
        (world_writable_directory, "world_writable"),
        (large_config, "too_large"),
        (large_weights, "too_large"),
    ],
)
def test_what_can_never_be_taken_is_sighted_and_refused(
    source: LocalSource, root: Path, store: Store, spoil: Callable[[Path], None], code: str
) -> None:
    write_folder(root / "run")
    spoil(root / "run")
    error = fails(source, sight(source), store)
    assert isinstance(error, Refused)
    assert error.code == code


def test_a_path_that_turned_into_a_link_is_refused(source: LocalSource, root: Path, store: Store) -> None:
    write_folder(root / "run")
    sighting = sight(source)
    linked_directory(root / "run")
    assert fails(source, sighting, store).code == "symlink"


def test_failed_fetches_leave_no_descriptor_behind(source: LocalSource, root: Path, store: Store) -> None:
    write_folder(root / "run")
    sighting = sight(source)
    (root / "run" / WEIGHTS).write_bytes(b"")
    for _ in range(20):
        fails(source, sighting, store)
    # watchdog's thread may still be listing the directory; a descriptor that was lost stays open.
    until(lambda: not held_open(root.parent), lambda: f"{held_open(root.parent)} stay open")
