"""Several pointers change in one step: whenever the process dies, all of them or none."""

import os
import shutil
from pathlib import Path

import pytest

from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store

OLD = {"default": {"generation": 1, "digest": "a"}, "sales": {"generation": 2, "digest": "b"}}
NEW = {"default": {"generation": 3, "digest": "c"}, "sales": {"generation": 4, "digest": "d"}}


def _store(path: Path) -> Store:
    return Store(path, reserve_bytes=0)


def _pointed(store: Store) -> dict[str, object]:
    return {name: store.pointer(name) for name in OLD}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = _store(tmp_path / "store")
    for name, record in OLD.items():
        made.point(record, channel=name)
    return made


def test_all_are_written_and_nothing_is_left(store: Store) -> None:
    store.point_together(NEW)
    assert (_pointed(store), _pointed(_store(store.root)), store.highest()) == (NEW, NEW, 4)
    assert "together.json" not in os.listdir(store.root)


def test_a_death_at_any_point_leaves_all_or_none(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is copied each time that only a name is missing, and looked at by the next process."""
    copies: list[Path] = []

    def copy() -> None:
        copies.append(tmp_path / f"copy-{len(copies)}")
        shutil.copytree(store.root, copies[-1])

    for pointers in (store._pointers, store._pointers._several):
        monkeypatch.setattr(pointers, "_on_written", copy)
    store.point_together(NEW)
    assert [_pointed(_store(path)) for path in copies] == [OLD, NEW, NEW]
    assert [_store(path).highest() for path in copies] == [2, 4, 4]


def _read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("hotswapd.loaders.store.pointer.write_durably", refuse)


def test_a_disk_that_became_read_only_still_tells_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due is read from the file that names all, and written when the disk takes it."""
    (store.root / "together.json").write_text('{"fresh": {"generation": 9, "digest": "z"}}')
    with monkeypatch.context() as patched:
        _read_only(store.root, patched)
        again = _store(store.root)
        assert (again.pointer("fresh"), again.pointed()) == ({"generation": 9, "digest": "z"}, ["fresh", "sales"])
        assert (again.highest(), again.pointer()) == (9, OLD["default"])
        with pytest.raises(Unavailable):
            again.point({"generation": 10}, channel="fresh")
        with pytest.raises(Unavailable):
            again.point_together(NEW)
        assert _pointed(again) == OLD
    again.point({"generation": 10}, channel="fresh")
    assert _store(store.root).pointer("fresh") == {"generation": 10}


def test_a_change_that_fails_in_the_middle_can_be_taken_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [1]

    def fail() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(store._pointers, "_on_written", fail)
        with pytest.raises(Unavailable):
            store.point_together(NEW)
        assert _pointed(store) == NEW
    store.point_together(OLD, highest=2)
    assert (_pointed(store), _pointed(_store(store.root)), store.highest()) == (OLD, OLD, 2)


def test_a_removed_channel_stays_removed(store: Store) -> None:
    (store.root / "together.json").write_text('{"sales": {"generation": 4, "digest": "d"}}')
    again = _store(store.root)
    again.unpoint("sales")
    assert _store(store.root).pointer("sales") is None
    assert _store(store.root).highest() == 4
