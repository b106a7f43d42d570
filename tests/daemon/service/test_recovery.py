"""What an earlier process has left: an unusable store is a sentence, a lost ledger is noticed."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from kits.queues import Queue

from hotswapd.daemon.config.settings import ConfigError
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.service.recovery import Memory, recover, remember
from hotswapd.daemon.service.state_dir import StateDir


def nothing(rows: Sequence[Row]) -> None:
    """Whoever is told of changes has nothing to do."""


def memory(directory: Path) -> Memory:
    return remember(StateDir(directory), nothing)


def lived(directory: Path) -> None:
    """Be a process that made one generation live."""
    queue = Queue("s", directory=directory)
    queue.place.put("one", b"one")
    queue.settle()
    queue.ledger.close()


def test_an_unusable_store_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a directory")
    with pytest.raises(ConfigError, match="store cannot be used: ") as caught:
        memory(tmp_path)
    assert [problem.key for problem in caught.value.problems] == ["state.dir"]


def test_the_first_start_remembers_nothing(tmp_path: Path) -> None:
    found = memory(tmp_path)
    assert (found.pointed, found.guarded) == ({}, False)


def test_the_pointer_names_what_was_live(tmp_path: Path) -> None:
    lived(tmp_path)
    found = memory(tmp_path)
    assert [(name, one.number) for name, one in found.pointed.items()] == [("default", 1)]
    assert not found.guarded


def test_a_newer_ledger_is_a_sentence(tmp_path: Path) -> None:
    """The program ends with status 78, and touches nothing."""
    lived(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ConfigError, match="written by a newer version") as caught:
        memory(tmp_path)
    assert [problem.key for problem in caught.value.problems] == ["state.dir"]


def test_a_deleted_ledger_is_noticed(tmp_path: Path) -> None:
    """What a source sees then is not newer only because the ledger does not know it."""
    lived(tmp_path)
    for file in tmp_path.glob("ledger.sqlite*"):
        file.unlink()
    assert memory(tmp_path).guarded


def test_what_was_under_way_is_tried_again(tmp_path: Path) -> None:
    """A death counts, and rows of sources that are not configured any more have ended."""
    found = memory(tmp_path)
    rows = found.ledger.add([Find(source, f"file:///{source}/x", "r", 0.0) for source in ("a", "b")])
    tried = found.ledger.add([Find("a", "file:///a/y", "r", 1.0, State.STAGED)], digest="d" * 64)[0]
    found.ledger.attempts.begin(tried.digest, SWAP, "staging")
    recover(found, ["a"])
    states = [found.ledger.rows.get(row.swap_id).state for row in (*rows, tried)]
    assert states == [State.SIGHTED, State.GONE, State.FETCHED]
    assert found.ledger.attempts.deaths(tried.digest, SWAP) == (1, "staging")


def test_a_ledger_that_is_down_stops_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise LedgerDown("the disk is full")

    found = memory(tmp_path)
    monkeypatch.setattr(found.ledger, "recover", down)
    recover(found, [])
