"""A folder as a place to publish to: each file appears whole, durably, and under a name that no watcher takes."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hotswapd.loaders.digests import Listed
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.files import CONFIG
from hotswapd.loaders.publish.to_folder import LocalPlace

LISTED = Listed("", 2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "from").mkdir()
    path = tmp_path / "from" / CONFIG
    path.write_bytes(b"{}")
    return path


def ignore(size: int) -> None:
    """Take progress, and do nothing."""


def recorded(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> None:
    """Note each sync with the size that is on disk then, and each rename."""
    sync, rename = os.fsync, os.rename

    def record_sync(fd: int) -> None:
        there = os.fstat(fd)
        calls.append("fsync directory" if stat.S_ISDIR(there.st_mode) else f"fsync {there.st_size} bytes")
        sync(fd)

    def record_rename(old: Path, new: Path) -> None:
        calls.append(f"rename {Path(old).name[:10]}* {Path(new).name}")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "rename", record_rename)


def test_bytes_are_synced_before_the_name(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size at the sync shows that no byte was left in a buffer of this process."""
    calls: list[str] = []
    recorded(monkeypatch, calls)
    LocalPlace(tmp_path / "to").put(source, LISTED, ignore)
    assert calls == ["fsync 2 bytes", f"rename .hotswapd-* {CONFIG}", "fsync directory"]


def test_a_removal_is_durable(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    place = LocalPlace(tmp_path / "to")
    place.put(source, LISTED, ignore)
    recorded(monkeypatch, calls)
    place.remove(CONFIG)
    assert calls == ["fsync directory"]
    assert place.listed(CONFIG) is None


def test_others_may_read_what_was_published(source: Path, tmp_path: Path) -> None:
    source.chmod(0o600)
    LocalPlace(tmp_path / "to").put(source, LISTED, ignore)
    assert stat.S_IMODE((tmp_path / "to" / CONFIG).stat().st_mode) == 0o644


def test_a_failed_put_leaves_nothing(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable, match="No space left") as failed:
        LocalPlace(tmp_path / "to").put(source, LISTED, ignore)
    assert failed.value.code == "publish_failed"
    assert os.listdir(tmp_path / "to") == []


def test_progress_is_the_bytes_written(source: Path, tmp_path: Path) -> None:
    source.write_bytes(b"x" * (3 << 20))
    pieces: list[int] = []
    sent: Callable[[int], None] = pieces.append
    LocalPlace(tmp_path / "to").put(source, LISTED, sent)
    assert sum(pieces) == 3 << 20
    assert len(pieces) == 3
