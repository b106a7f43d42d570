"""The operator's holds beside the ledger: a ledger that is lost does not lose a pin."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hotswapd.daemon.ledger.holds import Holds
from hotswapd.daemon.ledger.ledger import Ledger


class Undone(Exception):
    """The transaction is undone."""


def _unpin_and_fail(ledger: Ledger) -> None:
    with ledger.together():
        ledger.flags.set("pinned", value=False)
        raise Undone


def _overwrite(path: Path) -> None:
    path.write_text("this is not a database, and long enough to be looked at as one " * 20)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("lose", [_overwrite, Path.unlink, _empty])
def test_a_lost_ledger_does_not_lose_a_pin(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    """As the holds were last set, and nothing of a transaction that was undone."""
    path = tmp_path / "ledger.sqlite"
    first = Ledger(path)
    first.flags.set("pinned", value=True)
    first.flags.set("paused", value=True)
    first.flags.set("paused", value=False)
    with pytest.raises(Undone):
        _unpin_and_fail(first)
    first.close()
    lose(path)
    again = Ledger(path)
    assert (again.flags.pinned(), again.flags.paused()) == (True, False)
    again.flags.set("pinned", value=False)
    again.close()
    lose(path)
    assert not Ledger(path).flags.pinned()


def test_holds_that_cannot_be_written_hold_anyway(tmp_path: Path) -> None:
    """The ledger counts while it exists; a damaged file beside it says nothing."""
    (tmp_path / "holds.json.new").mkdir()
    (tmp_path / "holds.json").write_text("{")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.flags.set("pinned", value=True)
    assert (ledger.flags.pinned(), ledger.trouble) == (True, "")
    assert Holds(ledger.path).kept() == []
    ledger.close()


def test_holds_are_on_the_disk_before_and_under_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are synced before the rename, and the directory after it: a power cut leaves one of two whole files."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    done: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def record_fsync(fd: int) -> None:
        done.append(("fsync", Path(f"/proc/self/fd/{fd}").readlink().name))
        fsync(fd)

    def record_rename(before: Path, after: Path) -> None:
        done.append(("rename", Path(after).name))
        rename(before, after)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "rename", record_rename)
    ledger.flags.set("pinned", value=True)
    (written, _), renamed, synced = done[-3:]
    assert (written, renamed, synced) == ("fsync", ("rename", "holds.json"), ("fsync", tmp_path.name))
    assert done[-3][1].endswith(".new")
    assert Holds(ledger.path).kept() == [("default", "pinned")]
    ledger.close()


def test_other_flags_do_not_touch_the_file(tmp_path: Path) -> None:
    """Only a hold is worth a second write."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.flags.set("high_water", 3)
    assert not (tmp_path / "holds.json").exists()
    ledger.close()
