"""Hashing and syncing behind a copy: the digest is the same, a disk's error is not lost, and no thread is left."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.store import write_behind
from hotswapd.loaders.store.store import Store

CHUNKS = [bytes([number]) * 1000 for number in range(40)]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some kilobytes be what gigabytes are otherwise."""
    monkeypatch.setattr(write_behind, "_WORTH_IT", 2500)
    monkeypatch.setattr(write_behind, "_BATCH", 4000)


def _helpers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("store")]


def _copy(store: Store, chunks: Iterator[bytes]) -> str:
    with store.stage() as stage:
        stage.write(CONFIG, [b"{}"], 100)
        stage.write(WEIGHTS, chunks, 1 << 20)
        return stage.commit().digest


def test_the_digest_is_that_of_the_bytes_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was hashed at once and whatever behind; and it was synced while there was more to come."""
    sync, synced = os.fdatasync, []

    def record(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", record)
    store = Store(tmp_path, reserve_bytes=0)
    digest = _copy(store, iter(CHUNKS))
    assert digest == hashlib.sha256(b"{}" + b"".join(CHUNKS)).hexdigest()
    artifact = store.find(digest)
    assert artifact is not None
    assert (artifact.path / WEIGHTS).read_bytes() == b"".join(CHUNKS)
    assert synced
    assert not _helpers()


@pytest.mark.parametrize(("number", "reason"), [(errno.EIO, "store_failed"), (errno.ENOSPC, "disk_full")])
def test_a_failed_sync_makes_no_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    """The kernel reports a failed write once, to the sync in the background; the last sync succeeds."""

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fdatasync", fail)
    store = Store(tmp_path, reserve_bytes=0)
    with pytest.raises(Unavailable) as caught:
        _copy(store, iter(CHUNKS))
    assert caught.value.code == reason
    assert not os.listdir(tmp_path / "artifacts")
    assert not os.listdir(tmp_path / "stages")
    assert not _helpers()


def test_a_copy_that_is_broken_off_leaves_no_thread(tmp_path: Path) -> None:
    """The descriptor is closed after the last one has let go of it: its number may be another file's then."""

    def broken() -> Iterator[bytes]:
        yield from CHUNKS[:20]
        assert _helpers()
        raise Unavailable(WaitingCode.STOPPING, "the daemon is stopping")

    with pytest.raises(Unavailable, match="stopping"):
        _copy(Store(tmp_path, reserve_bytes=0), broken())
    assert not _helpers()


def test_a_small_file_starts_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most adapters of a test, and every configuration."""
    monkeypatch.setattr(write_behind, "ThreadPoolExecutor", None)
    _copy(Store(tmp_path, reserve_bytes=0), iter(CHUNKS[:2]))
