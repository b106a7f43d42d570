"""The pointer is the record that was written last, whatever happens while the next one is written."""

import errno
import os
import stat
from pathlib import Path

import pytest

from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.pointer import Pointer
from hotswapd.loaders.store.store import Store


def test_the_last_record_is_read_back(tmp_path: Path) -> None:
    pointer = Pointer(tmp_path)
    assert pointer.read() is None
    pointer.write({"generation": 1})
    pointer.write({"generation": 2, "digest": "ab"})
    assert Pointer(tmp_path).read() == {"generation": 2, "digest": "ab"}
    assert os.listdir(tmp_path) == ["current.json"]
    assert stat.S_IMODE((tmp_path / "current.json").stat().st_mode) == 0o600


def test_a_new_file_left_by_a_crash_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "current.json.new").write_bytes(b"x" * 1000)
    Pointer(tmp_path).write({"generation": 1})
    assert Pointer(tmp_path).read() == {"generation": 1}


def test_a_failed_write_keeps_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, reserve_bytes=0)
    store.point({"generation": 1})

    def full(fd: int, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable) as failed:
        store.point({"generation": 2})
    monkeypatch.undo()
    assert failed.value.code == "disk_full"
    assert store.pointer() == {"generation": 1}


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff\xfe\x00"])
def test_a_damaged_record_is_ignored_and_logged(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "current.json").write_bytes(damage)
    assert Pointer(tmp_path).read() is None
    assert "cannot be read and is ignored" in caplog.text
