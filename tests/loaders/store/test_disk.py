"""A durable write leaves the old file or the new one, in the order that survives a power cut."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswapd.loaders.store.disk import replace_durably, write_all, write_durably


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Record each write, sync and rename with the name of the file."""
    seen: list[tuple[str, str]] = []
    write, sync, rename = os.write, os.fsync, os.rename

    def name(fd: int) -> str:
        return Path(os.readlink(f"/proc/self/fd/{fd}")).name

    def record_write(fd: int, data: bytes) -> int:
        seen.append(("write", name(fd)))
        return write(fd, data)

    def record_sync(fd: int) -> None:
        seen.append(("fsync", name(fd)))
        sync(fd)

    def record_rename(old: Path, new: Path) -> None:
        seen.append(("rename", Path(new).name))
        rename(old, new)

    monkeypatch.setattr(os, "write", record_write)
    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "rename", record_rename)
    return seen


def test_bytes_are_synced_before_the_rename(tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    write_durably(tmp_path / "file", b"data", on_written=lambda: calls.append(("step", "")))
    assert calls == [
        ("write", "file.new"),
        ("fsync", "file.new"),
        ("step", ""),
        ("rename", "file"),
        ("fsync", tmp_path.name),
    ]
    assert (tmp_path / "file").read_bytes() == b"data"


def test_the_mode_is_set_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        write_durably(tmp_path / "open", b"", mode=0o644)
        write_durably(tmp_path / "private", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


def test_a_failure_keeps_the_old_file_and_removes_the_new_one(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.EIO, "the source broke")

    write_durably(tmp_path / "file", b"old")
    with pytest.raises(OSError, match="the source broke"):
        replace_durably(tmp_path / "file", tmp_path / "fresh", broken())
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_link_under_the_new_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"theirs")
    (tmp_path / "file.new").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        write_durably(tmp_path / "file", b"ours")
    assert (tmp_path / "victim").read_bytes() == b"theirs"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    with (tmp_path / "file").open("wb") as file:
        write_all(file.fileno(), b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"
