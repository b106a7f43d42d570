"""The ledger: legal moves only, one thing live, and whole or nothing."""

import sqlite3
import threading

import pytest

from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, Left, Overtaken
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import IllegalTransition, State

S = State


@pytest.fixture
def ledger(tmp_path):
    told = []
    made = Ledger(tmp_path / "ledger.sqlite", told.extend)
    made.told = told
    yield made
    made.close()


def add(ledger: Ledger, *names: str, source: str = "s", **fields) -> list[Row]:
    return ledger.add([Find(source, f"file:///{name}", "r1", float(i)) for i, name in enumerate(names)], **fields)


def forward(ledger: Ledger, row: Row, *states: State) -> Row:
    for state in states:
        row = ledger.move(row, state)
    return row


def make_live(ledger: Ledger, row: Row, number: int, **left) -> Generation:
    """Bring a sighted row live."""
    row = ledger.fetched(row, f"digest {row.uri}", 0.1) if row.state == S.SIGHTED else row
    row = forward(ledger, row, *[s for s in (S.ADMITTED, S.STAGED, S.VERIFIED) if row.state == S.FETCHED])
    one = Generation(number, row.uri, row.revision, row.digest, 1.0, row.swap_id, row.stamp)
    with ledger.going_live(row, one, **left):
        pass
    return one


def everything(ledger: Ledger) -> list[str]:
    with sqlite3.connect(ledger.path) as database:
        return list(database.iterdump())


def states(ledger: Ledger) -> list[str]:
    """Return states and reasons in the order of sighting."""
    return [f"{row.state} {row.reason}".strip() for row in reversed(ledger.rows.history(100))]


def test_an_illegal_move_raises_and_changes_nothing(ledger) -> None:
    """Neither the row nor its story: the file is the same byte for byte of its dump."""
    (row,) = add(ledger, "a")
    before = everything(ledger)
    for move in (
        lambda: ledger.move(row, S.LIVE),
        lambda: ledger.move_all(S.SIGHTED, S.LIVE, "", "", "1"),
        lambda: ledger.going_live(row, Generation(1, "", "", "", 0.0)).__enter__(),
    ):
        with pytest.raises(IllegalTransition):
            move()
    assert everything(ledger) == before
    assert [one.state for one in ledger.told] == ["SIGHTED"]


def test_who_moves_a_row_that_has_moved_is_told_and_changes_nothing(ledger) -> None:
    """Two threads may hold one row; the slower one must look again."""
    (row,) = add(ledger, "a")
    ledger.fetched(row, "d", 0.1)
    before = everything(ledger)
    with pytest.raises(Overtaken):
        ledger.move(row, S.WAITING)
    with pytest.raises(Overtaken):
        ledger.fetched(row, "other", 0.1)
    assert everything(ledger) == before


def test_rows_are_numbered_in_the_order_in_which_they_are_given(ledger) -> None:
    """The sequence number is the order of sightings, across calls and across restarts."""
    add(ledger, "b", "a")
    ledger.close()
    add(ledger, "c")
    assert [row.uri for row in ledger.rows.history(10)] == ["file:///c", "file:///a", "file:///b"]
    assert ledger.rows.known("s") == {"file:///a": "r1", "file:///b": "r1", "file:///c": "r1"}
    assert ledger.rows.known("s", ["file:///b", "file:///x"]) == {"file:///b": "r1"}


def test_only_one_is_live_and_only_what_is_older_is_superseded(ledger) -> None:
    """What goes live ends the one before and every older candidate, whatever it waits for; newer ones stay."""
    first, waiting, second, newer = add(ledger, "first", "waiting", "second", "newer")
    make_live(ledger, first, 1)
    ledger.move(waiting, S.WAITING, "incomplete")
    make_live(ledger, second, 2)
    assert states(ledger) == ["RETIRED", "SUPERSEDED newer_live", "LIVE", "SIGHTED"]
    assert ledger.rows.live().generation == 2
    assert (ledger.generations.next_number(), ledger.flags.get("high_water")) == (3, second.seq)
    assert ledger.rows.get(newer.swap_id).finished is None


def test_going_back_supersedes_nothing(ledger) -> None:
    """A rollback, or a pin to an older generation, says nothing about the candidates."""
    old, new, candidate = add(ledger, "old", "new", "candidate")
    make_live(ledger, old, 1)
    make_live(ledger, new, 2)
    for left in (Left(S.ROLLED_BACK, "operator"), Left(S.RETIRED, "pinned_other")):
        (back,) = ledger.add([Find("operator", "file:///old", "r1", 0.0, S.VERIFIED, forced=True)])
        make_live(ledger, back, 1, left=left)
    assert ledger.rows.get(candidate.swap_id).state == S.SIGHTED
    assert states(ledger) == ["RETIRED", "ROLLED_BACK operator", "SIGHTED", "RETIRED pinned_other", "LIVE"]
    assert ledger.flags.get("high_water") == new.seq


@pytest.mark.parametrize("where", ["the body", "the enclosing transaction"])
def test_a_swap_that_fails_before_it_is_durable_leaves_all_as_it_was(ledger, where: str) -> None:
    """When the pointer cannot be written, the one before is live, and what is older is a candidate still."""
    first, older, second = add(ledger, "first", "older", "second")
    make_live(ledger, first, 1)
    second = forward(ledger, ledger.fetched(second, "d", 0.1), S.ADMITTED, S.STAGED, S.VERIFIED)
    before, told = everything(ledger), list(ledger.told)

    def swap() -> None:
        with ledger.together():
            with ledger.going_live(second, Generation(2, second.uri, "r1", "d", 1.0, second.swap_id)):
                if where == "the body":
                    raise OSError("no space")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        swap()
    assert (everything(ledger), ledger.told) == (before, told)
    assert ledger.rows.get(older.swap_id).state == S.SIGHTED


def test_it_is_told_only_of_what_is_durable(tmp_path) -> None:
    """Whoever hears of a change reads the same from the file, and nothing is told twice or out of order."""
    path = tmp_path / "ledger.sqlite"
    read: list[tuple[str, str]] = []

    def hear(rows) -> None:
        with sqlite3.connect(path) as other:
            read.extend(other.execute("SELECT swap_id, state FROM swaps WHERE swap_id = ?", (rows[0].swap_id,)))

    ledger = Ledger(path, hear)
    (row,) = add(ledger, "a")
    with ledger.together():
        row = ledger.move(row, S.WAITING, "settling")
        assert read == [(row.swap_id, "SIGHTED")]
        ledger.move(row, S.SIGHTED)
    assert read == [(row.swap_id, "SIGHTED")] * 2
    ledger.close()


def test_each_row_has_its_story(ledger) -> None:
    """Every change of state is an event of its own, in order."""
    (row,) = add(ledger, "a")
    row = ledger.move(row, S.WAITING, "settling", "0.1 s so far")
    make_live(ledger, ledger.fetched(row, "d", 0.1), 1)
    with sqlite3.connect(ledger.path) as database:
        story = database.execute("SELECT state, reason, detail FROM events ORDER BY id").fetchall()
    assert story[:2] == [("SIGHTED", "", ""), ("WAITING", "settling", "0.1 s so far")]
    assert [state for state, *_ in story[2:]] == ["FETCHED", "ADMITTED", "STAGED", "VERIFIED", "LIVE"]


def test_a_restart_tries_again_what_was_under_way(ledger) -> None:
    """It is in the store: it begins again as fetched; what waits or is held stays so."""
    for name, steps in {"a": [S.ADMITTED], "b": [S.ADMITTED, S.STAGED], "c": [S.HELD], "d": []}.items():
        (row,) = add(ledger, name)
        forward(ledger, ledger.fetched(row, name, 0.1), *steps)
    add(ledger, "e")
    ledger.recover()
    assert states(ledger) == ["FETCHED restarted", "FETCHED restarted", "HELD", "FETCHED", "SIGHTED"]


def test_a_death_between_pointer_and_ledger_is_made_good(ledger) -> None:
    """The pointer says that it went live: then it did, with all that follows for the others."""
    first, older, second, newer = add(ledger, "first", "older", "second", "newer")
    make_live(ledger, first, 1)
    second = forward(ledger, ledger.fetched(second, "d2", 0.1), S.ADMITTED, S.STAGED, S.VERIFIED)
    ledger.adopt(Generation(2, second.uri, "r1", "d2", 1.0, second.swap_id, second.stamp), "operator")
    ledger.recover()
    assert states(ledger) == ["RETIRED", "SUPERSEDED newer_live", "LIVE", "SIGHTED"]
    assert [one.number for one in ledger.generations.newest(10)] == [2, 1]
    assert {older.seq, newer.seq} < {row.seq for row in ledger.rows.history(10)}


def test_adopting_what_is_live_already_changes_nothing_but_is_repeatable(ledger) -> None:
    """Every start does it; a second and a third time make no second row and no second event."""
    (row,) = add(ledger, "a")
    generation = make_live(ledger, row, 1)
    before = everything(ledger)
    for _ in range(3):
        assert ledger.adopt(generation, "operator").state == S.LIVE
    assert everything(ledger) == before


def test_a_pointer_whose_row_is_lost_gets_one(ledger) -> None:
    """After the ledger was moved aside the pointer's generation is live again in the new one, and numbers go on."""
    row = ledger.adopt(Generation(7, "file:///a", "r", "d" * 64, 5.0, "kept-id", 3.0), "operator")
    assert (row.swap_id, row.state, row.generation, row.digest) == ("kept-id", S.LIVE, 7, "d" * 64)
    assert ledger.generations.next_number() == 8


def refused(ledger: Ledger, name: str, fingerprint: str) -> Row:
    (row,) = add(ledger, name)
    return ledger.move(ledger.fetched(row, f"d {name}", 0.1), S.REJECTED, "rank_too_high", fingerprint=fingerprint)


def test_a_verdict_holds_for_these_bytes_under_this_contract_and_policy(ledger) -> None:
    """Another digest or another fingerprint has none."""
    row = refused(ledger, "a", "policy 1")
    assert ledger.rows.verdict("d a", "policy 1").swap_id == row.swap_id
    assert ledger.rows.verdict("d a", "policy 2") is None
    assert ledger.rows.verdict("d b", "policy 1") is None


def test_what_was_refused_is_open_again_when_contract_or_policy_change(ledger) -> None:
    """Only what is still what lies at its address, and is newer than what went live."""
    before_live, overwritten = refused(ledger, "old", "policy 1"), refused(ledger, "over", "policy 1")
    (live,) = add(ledger, "live")
    make_live(ledger, live, 1)
    newer, same_policy = refused(ledger, "newer", "policy 1"), refused(ledger, "same", "policy 2")
    add(ledger, "over")
    assert [row.swap_id for row in ledger.reopen("policy 2")] == [newer.swap_id]
    again = ledger.rows.get(newer.swap_id)
    assert (again.state, again.reason, again.forced, again.finished) == (S.SIGHTED, "reopened", True, None)
    assert {ledger.rows.get(row.swap_id).state for row in (before_live, overwritten, same_policy)} == {S.REJECTED}


def test_a_rollback_does_not_close_what_was_refused_before_it(ledger) -> None:
    """Going back is no newer adapter: what is newer than the one that was live is open again as ever."""
    old, new = add(ledger, "old", "new")
    make_live(ledger, old, 1)
    make_live(ledger, new, 2)
    row = refused(ledger, "bad", "policy 1")
    (back,) = ledger.add([Find("operator", "file:///old", "r1", 0.0, S.VERIFIED, forced=True)])
    make_live(ledger, back, 1, left=Left(S.ROLLED_BACK, "operator"))
    assert [one.swap_id for one in ledger.reopen("policy 2")] == [row.swap_id]


def test_the_store_keeps_what_is_live_and_the_newest_candidates_of_each_source(ledger) -> None:
    """A queue that is paused for weeks does not fill the disk: what is dropped is fetched again if it is tried."""
    (live,) = add(ledger, "live")
    make_live(ledger, live, 1)
    for source in ("a", "b"):
        for index in range(20):
            (row,) = add(ledger, f"{source}{index}", source=source)
            ledger.fetched(row, f"{source}{index}", 0.1)
    kept = {f"{source}{index}" for source in ("a", "b") for index in range(4, 20)}
    assert ledger.rows.in_store() == kept | {"digest file:///live"}


def test_the_store_keeps_what_one_goes_back_to_however_many_bad_ones_came_after_it(ledger) -> None:
    """Without the good ones apart, two adapters rolled back from would have cost the generation before them."""
    for number in range(1, 8):
        (row,) = add(ledger, f"{number}")
        make_live(ledger, row, number)
    for number in (5, 6, 7):
        ledger.generations.refuse(number)
    kept = {number: f"digest file:///{number}" for number in range(8)}
    assert ledger.generations.kept(2, []) == {kept[7], kept[6], kept[4], kept[3]}
    assert ledger.generations.kept(1, [0, 7, 1, 99]) == {kept[7], kept[4], kept[1]}


def test_threads_take_turns(ledger) -> None:
    """Whoever writes at the same time waits: nothing is lost, and no number is given twice."""

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
