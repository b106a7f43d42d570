"""The ledger: legal moves only, one thing live, and whole or nothing."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from kits.ledgers import add, everything, forward, make_live, refused, states

from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, Left, Overtaken
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import OPERATOR, Find, Row
from hotswapd.daemon.ledger.states import IllegalTransition
from hotswapd.daemon.ledger.states import State as S


def test_an_illegal_move_changes_nothing(ledger: Ledger) -> None:
    """Neither the row nor its story: the file is the same, byte for byte of its dump."""
    (row,) = add(ledger, "a")
    before = everything(ledger)
    moves: list[Callable[[], object]] = [
        lambda: ledger.move(row, S.LIVE),
        lambda: ledger.move_all(S.SIGHTED, S.LIVE, "", "", "1"),
        lambda: ledger.going_live(row, Generation(1, "", "", "", 0.0)).__enter__(),
    ]
    for move in moves:
        with pytest.raises(IllegalTransition):
            move()
    assert everything(ledger) == before


def test_an_overtaken_move_changes_nothing(ledger: Ledger) -> None:
    """Two threads may hold one row; the slower one must read it again."""
    (row,) = add(ledger, "a")
    ledger.fetched(row, "d", 0.1)
    before = everything(ledger)
    with pytest.raises(Overtaken):
        ledger.move(row, S.WAITING)
    with pytest.raises(Overtaken):
        ledger.fetched(row, "other", 0.1)
    assert everything(ledger) == before


def test_only_older_rows_are_superseded(ledger: Ledger) -> None:
    """What goes live ends the previous one and every older candidate, whatever it waits for; newer ones stay."""
    first, waiting, second, newer = add(ledger, "first", "waiting", "second", "newer")
    make_live(ledger, first, 1)
    ledger.move(waiting, S.WAITING, "incomplete")
    make_live(ledger, second, 2)
    assert states(ledger) == ["RETIRED", "SUPERSEDED newer_live", "LIVE", "SIGHTED"]
    live = ledger.rows.live()
    assert live is not None
    assert (live.generation, ledger.generations.next_number()) == (2, 3)
    assert ledger.flags.get("high_water") == second.seq
    assert ledger.rows.get(newer.swap_id).finished is None


def test_a_rollback_supersedes_nothing(ledger: Ledger) -> None:
    """A rollback, or a pin to an older generation, says nothing about the candidates."""
    old, new, candidate = add(ledger, "old", "new", "candidate")
    make_live(ledger, old, 1)
    make_live(ledger, new, 2)
    for left in (Left(S.ROLLED_BACK, Reason.OPERATOR), Left(S.RETIRED, Reason.PINNED_OTHER)):
        (back,) = ledger.add([Find(OPERATOR, "file:///old", "r1", 0.0, S.VERIFIED, forced=True)])
        make_live(ledger, back, 1, left)
    assert ledger.rows.get(candidate.swap_id).state == S.SIGHTED
    assert states(ledger) == ["RETIRED", "ROLLED_BACK operator", "SIGHTED", "RETIRED pinned_other", "LIVE"]
    assert ledger.flags.get("high_water") == new.seq


@pytest.mark.parametrize("where", ["the body", "the enclosing transaction"])
def test_a_failed_swap_leaves_everything_as_it_was(tmp_path: Path, where: str) -> None:
    """If the pointer cannot be written, the previous one is live, and older ones are still candidates."""
    told: list[Row] = []
    ledger = Ledger(tmp_path / "ledger.sqlite", told.extend)
    first, older, second = add(ledger, "first", "older", "second")
    make_live(ledger, first, 1)
    second = forward(ledger, ledger.fetched(second, "d", 0.1), S.ADMITTED, S.STAGED, S.VERIFIED)
    before, told_before = everything(ledger), list(told)

    def swap() -> None:
        with ledger.together():
            with ledger.going_live(second, Generation(2, second.uri, "r1", "d", 1.0, second.swap_id)):
                if where == "the body":
                    raise OSError("no space")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        swap()
    assert (everything(ledger), told) == (before, told_before)
    assert ledger.rows.get(older.swap_id).state == S.SIGHTED
    ledger.close()


def test_a_change_is_told_once_it_is_durable(tmp_path: Path) -> None:
    """A listener reads the same from the file, and nothing is told twice or out of order."""
    path = tmp_path / "ledger.sqlite"
    read: list[tuple[str, str]] = []

    def on_change(rows: Sequence[Row]) -> None:
        with sqlite3.connect(path) as other:
            read.extend(other.execute("SELECT swap_id, state FROM swaps WHERE swap_id = ?", (rows[0].swap_id,)))

    ledger = Ledger(path, on_change)
    (row,) = add(ledger, "a")
    with ledger.together():
        row = ledger.move(row, S.WAITING, "settling")
        assert read == [(row.swap_id, "SIGHTED")]
        ledger.move(row, S.SIGHTED)
    assert read == [(row.swap_id, "SIGHTED")] * 2
    ledger.close()


def test_every_change_of_state_is_an_event(ledger: Ledger) -> None:
    """Each row has its story, in order."""
    (row,) = add(ledger, "a")
    row = ledger.move(row, S.WAITING, "settling", "0.1 s so far")
    make_live(ledger, ledger.fetched(row, "d", 0.1), 1)
    with sqlite3.connect(ledger.path) as database:
        story = database.execute("SELECT state, reason, detail FROM events ORDER BY id").fetchall()
    assert story[:2] == [("SIGHTED", "", ""), ("WAITING", "settling", "0.1 s so far")]
    assert [state for state, *_ in story[2:]] == ["FETCHED", "ADMITTED", "STAGED", "VERIFIED", "LIVE"]


def test_a_restart_tries_again_what_was_under_way(ledger: Ledger) -> None:
    """It is in the store, so it begins again as FETCHED; what waits or is held stays so."""
    for name, steps in {"a": [S.ADMITTED], "b": [S.ADMITTED, S.STAGED], "c": [S.HELD], "d": []}.items():
        (row,) = add(ledger, name)
        forward(ledger, ledger.fetched(row, name, 0.1), *steps)
    add(ledger, "e")
    ledger.recover()
    assert states(ledger) == ["FETCHED restarted", "FETCHED restarted", "HELD", "FETCHED", "SIGHTED"]


def test_a_death_between_pointer_and_ledger_is_made_good(ledger: Ledger) -> None:
    """The pointer says that it went live: then it did, with all that follows for the others."""
    first, older, second, newer = add(ledger, "first", "older", "second", "newer")
    make_live(ledger, first, 1)
    second = forward(ledger, ledger.fetched(second, "d2", 0.1), S.ADMITTED, S.STAGED, S.VERIFIED)
    ledger.adopt(Generation(2, second.uri, "r1", "d2", 1.0, second.swap_id, second.stamp), OPERATOR)
    ledger.recover()
    assert states(ledger) == ["RETIRED", "SUPERSEDED newer_live", "LIVE", "SIGHTED"]
    assert [one.number for one in ledger.generations.newest(10)] == [2, 1]
    assert {older.seq, newer.seq} < {row.seq for row in ledger.rows.history(10)}


def test_adopting_what_is_live_changes_nothing(ledger: Ledger) -> None:
    """Every start does it; a second and a third time make no second row and no second event."""
    (row,) = add(ledger, "a")
    generation = make_live(ledger, row, 1)
    before = everything(ledger)
    for _ in range(3):
        assert ledger.adopt(generation, OPERATOR).state == S.LIVE
    assert everything(ledger) == before


def test_a_pointer_whose_row_is_lost_gets_one(ledger: Ledger) -> None:
    """After the ledger was moved aside the pointer's generation is live again in the new one, and numbers go on."""
    row = ledger.adopt(Generation(7, "file:///a", "r", "d" * 64, 5.0, "kept-id", 3.0), OPERATOR)
    assert (row.swap_id, row.state, row.generation, row.digest) == ("kept-id", S.LIVE, 7, "d" * 64)
    assert ledger.generations.next_number() == 8


def test_another_policy_opens_refused_rows(ledger: Ledger) -> None:
    """Only what still lies at its address, and is newer than what went live."""
    before_live, overwritten = refused(ledger, "old", "policy 1"), refused(ledger, "over", "policy 1")
    (live,) = add(ledger, "live")
    make_live(ledger, live, 1)
    newer, same_policy = refused(ledger, "newer", "policy 1"), refused(ledger, "same", "policy 2")
    add(ledger, "over")
    assert [row.swap_id for row in ledger.reopen(lambda _: "policy 2")] == [newer.swap_id]
    again = ledger.rows.get(newer.swap_id)
    assert (again.state, again.reason, again.forced, again.finished) == (S.SIGHTED, "reopened", True, None)
    assert {ledger.rows.get(row.swap_id).state for row in (before_live, overwritten, same_policy)} == {S.REJECTED}


def test_a_rollback_closes_no_refused_row(ledger: Ledger) -> None:
    """It is not a newer adapter: what is newer than the one that was live still opens again."""
    old, new = add(ledger, "old", "new")
    make_live(ledger, old, 1)
    make_live(ledger, new, 2)
    row = refused(ledger, "bad", "policy 1")
    (back,) = ledger.add([Find(OPERATOR, "file:///old", "r1", 0.0, S.VERIFIED, forced=True)])
    make_live(ledger, back, 1, Left(S.ROLLED_BACK, Reason.OPERATOR))
    assert [one.swap_id for one in ledger.reopen(lambda _: "policy 2")] == [row.swap_id]


def test_threads_take_turns(ledger: Ledger) -> None:
    """Threads that write at the same time wait for each other: nothing is lost, and no number is given twice."""

    def write(source: str) -> None:
        for index in range(20):
            (row,) = add(ledger, f"{source}{index}", source=source)
            ledger.fetched(row, row.uri, 0.1)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120.0)
    rows = ledger.rows.history(1000)
    assert (len(rows), len({row.seq for row in rows}), {row.state for row in rows}) == (80, 80, {S.FETCHED})
