"""When the disk refuses: nothing is half written, the sentence says what to do, and it goes on when it can."""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.rows import Find, Row

FINDS = [Find("s", f"file:///{index}", "r" * 200, 0.0) for index in range(400)]


def limit_pages(ledger: Ledger, more: int | None) -> None:
    """Let the file grow by so many pages, as a disk that is nearly full does; None frees the disk."""
    with ledger._file.reading() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {2**30 if more is None else pages + more}")


def test_a_growing_ledger_does_not_grow_in_memory(ledger: Ledger) -> None:
    """What SQLite keeps of the file has a small limit in KiB (a negative size), which holds after any write."""
    ledger.add(FINDS)
    with ledger._file.reading() as database:
        assert -512 <= database.execute("PRAGMA cache_size").fetchone()[0] < 0


def test_a_full_disk_writes_nothing_and_says_what_to_do(ledger: Ledger) -> None:
    """All of a transaction or none; when there is space again it goes on, without a restart."""
    ledger.add(FINDS[:1])
    limit_pages(ledger, 3)
    with pytest.raises(LedgerDown, match=r"full.*free space") as caught:
        ledger.add(FINDS[1:])
    assert ledger.trouble == str(caught.value)
    assert len(ledger.rows.history(1000)) == 1
    limit_pages(ledger, None)
    ledger.add(FINDS[1:])
    assert (len(ledger.rows.history(1000)), ledger.trouble) == (400, "")


def test_a_disk_that_fills_undoes_the_whole_transaction(tmp_path: Path) -> None:
    """What the body had done before is undone too, and nobody is told of it."""
    told: list[Row] = []
    ledger = Ledger(tmp_path / "ledger.sqlite", told.extend)
    limit_pages(ledger, 3)

    def write() -> None:
        with ledger.together():
            ledger.flags.set("pinned", value=True)
            ledger.add(FINDS[:1])
            ledger.add(FINDS[1:])

    with pytest.raises(LedgerDown):
        write()
    assert (told, ledger.rows.history(10), ledger.flags.pinned()) == ([], [], False)
    ledger.close()


@pytest.mark.timeout(60)
def test_a_locked_ledger_is_down_until_it_is_released(ledger: Ledger) -> None:
    """A backup that holds the file for too long costs a try, not the daemon."""
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with ledger._file.reading() as database:
        database.execute("PRAGMA busy_timeout = 100")
    with pytest.raises(LedgerDown, match="locked"):
        ledger.add(FINDS[:1])
    other.execute("COMMIT")
    other.close()
    assert len(ledger.add(FINDS[:1])) == 1


def test_a_short_lock_is_waited_for(ledger: Ledger) -> None:
    """A writer gets its turn after another program has read."""
    other = sqlite3.connect(ledger.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    releases = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    releases.start()
    assert len(ledger.add(FINDS[:1])) == 1
    releases.join()
    other.close()


def spoil_text(path: Path) -> None:
    path.write_text("this is not a database, and long enough to be looked at as one " * 20)


def spoil_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def spoil_foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize("spoil", [spoil_text, spoil_pages, spoil_foreign])
def test_an_unreadable_ledger_is_moved_aside(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """Nothing is deleted: the old file stays for whoever wants to look at it, and the loss is known."""
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    spoil(path)
    content = path.read_bytes()
    again = Ledger(path)
    assert again.was_lost
    assert [row.uri for row in again.add(FINDS[:2])] == ["file:///0", "file:///1"]
    again.close()
    (away,) = (one for one in tmp_path.glob("ledger.sqlite.unreadable-*") if not one.name.endswith("-journal"))
    assert away.read_bytes() == content
    second = Ledger(path)
    assert (second.was_lost, len(second.rows.history(10))) == (False, 2)
    second.close()


def test_an_empty_file_is_a_new_ledger(tmp_path: Path) -> None:
    """Neither that nor a missing one is a loss."""
    (tmp_path / "empty.sqlite").touch()
    for name in ("empty.sqlite", "none.sqlite"):
        made = Ledger(tmp_path / name)
        assert not made.was_lost
        assert made.add(FINDS[:1])
        made.close()


def test_a_ledger_that_cannot_be_opened_comes_back(tmp_path: Path) -> None:
    """A state directory that is missing at the start does not keep the daemon from serving."""
    made = Ledger(tmp_path / "away" / "ledger.sqlite")
    assert "cannot be used" in made.trouble
    with pytest.raises(LedgerDown):
        made.rows.history(1)
    (tmp_path / "away").mkdir()
    assert made.add(FINDS[:1])
    made.close()


def test_it_never_writes_ahead(ledger: Ledger) -> None:
    """SQLite before 3.51.3 may lose a commit of a write-ahead log; every commit reaches the disk before it is told."""
    with ledger._file.reading() as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    ledger.add(FINDS[:1])
    assert not any(name.endswith(("-wal", "-shm")) for name in os.listdir(ledger.path.parent))


def test_a_death_during_a_commit_leaves_the_old_state(tmp_path: Path) -> None:
    """The journal that such a process leaves behind is played back by the next one."""
    path = tmp_path / "ledger.sqlite"
    made = Ledger(path)
    made.add(FINDS[:1])
    made.close()
    child = os.fork()
    if child == 0:  # dies without any clean-up, with a spilt transaction on the disk
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN IMMEDIATE")
        for index in range(2000):
            database.execute("INSERT INTO flags VALUES ('', ?, ?)", (f"flag {index}", "x" * 500))
        os._exit(9)
    os.waitpid(child, 0)
    assert path.with_name("ledger.sqlite-journal").stat().st_size > 0
    again = Ledger(path)
    assert (len(again.rows.history(10)), again.flags.get("flag 1"), again.was_lost) == (1, None, False)
    again.close()
