"""The queue's rules as a table: what is fetched next, what is tried next, how long a retry waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kits.queues import sure

from hotswapd.daemon.ledger.reasons import NO_BERTH, PAUSED, PINNED
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import IN_STORE, UNFETCHED, State
from hotswapd.daemon.ledger.turn import Turn
from hotswapd.daemon.pipeline.rules import Conditions, choose, in_order, next_fetch, wait_seconds

S = State


def row(seq: int, state: State, reason: str = "", next_try: float | None = None) -> Row:
    return Row(f"id{seq}", seq, "s", f"file:///{seq}", "r", 0.0, state, 0.0, reason=reason, next_try=next_try)


def newest_first(*rows: Row) -> list[Row]:
    return sorted(rows, key=lambda one: -one.seq)


def test_the_newest_in_the_store_is_tried() -> None:
    """What has no verdict yet is taken newest first, whatever step it has reached."""
    rows = newest_first(row(1, S.FETCHED), row(3, S.FETCHED), row(2, S.STAGED))
    assert sure(choose(rows, Conditions())).seq == 3


def test_what_is_not_fetched_hides_nothing_behind_it() -> None:
    """A newer one that waits or is only sighted does not keep a complete older one back."""
    rows = newest_first(row(1, S.FETCHED), row(2, S.WAITING, "incomplete"), row(3, S.SIGHTED))
    assert sure(choose(rows, Conditions())).seq == 1


@pytest.mark.parametrize(
    ("held", "conditions", "is_tried"),
    [
        (row(2, S.HELD, PINNED), Conditions(pinned={"default"}), False),
        (row(2, S.HELD, PINNED), Conditions(), True),
        (row(2, S.HELD, NO_BERTH), Conditions(room=False), False),
        (row(2, S.HELD, NO_BERTH), Conditions(), True),
        (row(2, S.HELD, PAUSED), Conditions(), True),
        (row(2, S.HELD, NO_BERTH, next_try=9.0), Conditions(now=8.0), False),
        (row(2, S.HELD, NO_BERTH, next_try=9.0), Conditions(now=9.0), True),
        (row(2, S.HELD, "disk_full", next_try=9.0), Conditions(now=8.0), False),
        (row(2, S.HELD, "disk_full", next_try=3609.0), Conditions(now=8.0), True),  # the clock was set back an hour
        (row(2, S.HELD, "disk_full"), Conditions(), True),
        (row(2, S.FETCHED), Conditions(pinned={"default"}, room=False), True),
    ],
)
def test_a_held_one_is_tried_when_what_holds_it_is_over(held: Row, conditions: Conditions, is_tried: bool) -> None:
    """The newest decides: while it is held nothing older is tried, since that would only have to give way to it."""
    chosen = choose([held, row(1, S.FETCHED)], conditions)
    assert (chosen is held) if is_tried else (chosen is None)


@given(st.lists(st.sampled_from(State), max_size=8))
def test_a_paused_queue_gives_nothing(states: list[State]) -> None:
    """`pause` takes nothing from the queue."""
    assert choose([row(9 - i, state) for i, state in enumerate(states)], Conditions(paused={"default"})) is None


def test_the_newest_that_is_due_is_fetched() -> None:
    """One that waits for another try hides nothing behind it, and is fetched again when its time has come."""
    rows = newest_first(row(1, S.SIGHTED), row(2, S.WAITING, "changed"))
    assert sure(next_fetch(rows, [], lambda one: one.seq != 2)).seq == 1
    assert sure(next_fetch(rows, [], lambda _: True)).seq == 2


def test_an_older_one_waits_for_the_newer_ones_verdict() -> None:
    """The bytes of an older one are not copied as long as a newer one may go live and end it."""
    assert next_fetch([row(1, S.SIGHTED)], [row(2, S.FETCHED)], lambda _: True) is None
    assert sure(next_fetch([row(3, S.SIGHTED), row(1, S.SIGHTED)], [row(2, S.HELD)], lambda _: True)).seq == 3


@given(st.lists(st.tuples(st.sampled_from(State), st.booleans()), max_size=10))
def test_only_what_is_not_fetched_and_due_is_fetched(drawn: list[tuple[State, bool]]) -> None:
    """Whatever lies in the queue: what is chosen is due, not in the store, and nothing due is newer."""
    rows = [row(100 - i, state) for i, (state, _) in enumerate(drawn)]
    due = {one.seq for one, (_, is_due) in zip(rows, drawn, strict=True) if is_due}
    stored = [one for one in rows if one.state in IN_STORE]
    chosen = next_fetch(rows, stored, lambda one: one.seq in due)
    floor = max((one.seq for one in stored), default=0)
    might = [one.seq for one in rows if one.state in UNFETCHED and one.seq in due and one.seq > floor]
    assert (chosen.seq if chosen else None) == max(might, default=None)


def test_one_look_is_ordered_by_the_sources_clock_then_by_address() -> None:
    """Of two with the same stamp the later address counts as newer."""
    finds = [Find("s", uri, "r", stamp) for uri, stamp in (("b", 2.0), ("c", 1.0), ("a", 2.0))]
    assert [find.uri for find in in_order(finds)] == ["c", "a", "b"]


def test_a_retry_waits_twice_as_long_each_time_up_to_five_minutes() -> None:
    """The wait doubles from one second and has a cap, however often it failed."""
    longest = [wait_seconds(tries, rng=lambda: 1.0) for tries in range(12)]
    assert longest[:4] == [1.0, 2.0, 4.0, 8.0]
    assert set(longest[9:]) == {300.0}
    assert wait_seconds(10_000, rng=lambda: 1.0) == 300.0


@given(st.integers(0, 100_000), st.floats(0, 1))
def test_a_wait_is_spread_over_its_upper_half(tries: int, luck: float) -> None:
    """Many that failed at one moment are not tried again at one moment."""
    longest = wait_seconds(tries, rng=lambda: 1.0)
    assert longest / 2 <= wait_seconds(tries, rng=lambda: luck) <= longest


@given(st.floats(allow_nan=False))
def test_a_source_that_names_a_wait_gets_it_within_bounds(asked: float) -> None:
    """A server's own wait is kept, but it can neither make the daemon spin nor put an adapter off for days."""
    assert wait_seconds(3, asked) == min(max(asked, 1.0), 3600.0)


def turn(seq: int, channel: str, state: State = S.FETCHED, reason: str = "") -> Turn:
    return Turn(f"id{seq}", channel, seq, state, reason)


def test_channels_take_turns_and_the_newest_of_each_comes_first() -> None:
    """The one whose last turn is longest ago; of those that never had one, the one that was sighted first."""
    waiting = [turn(5, "a"), turn(4, "a"), turn(3, "c"), turn(2, "b"), turn(1, "b")]
    last = {"a": 0, "b": 0, "c": 0}
    served = []
    for now in range(1, 6):
        found = sure(choose(waiting, Conditions(), last.__getitem__))
        served.append((found.channel, found.seq))
        waiting.remove(found)
        last[found.channel] = now
    assert served == [("b", 2), ("c", 3), ("a", 5), ("b", 1), ("a", 4)]


def test_what_holds_one_channel_holds_no_other() -> None:
    """A pause, a pin or a rollout there."""
    waiting = [turn(3, "a", S.HELD, PINNED), turn(2, "b"), turn(1, "c")]
    assert sure(choose(waiting, Conditions(pinned={"a"}, paused={"c"}))).channel == "b"
    assert sure(choose(waiting, Conditions(pinned={"b"}, paused={"b"}))).channel == "c"
    busy = Conditions(busy=lambda row: row.channel != "a")
    assert sure(choose(waiting, busy)).channel == "a"


def test_a_source_fetches_for_one_channel_after_the_other() -> None:
    """A newer one without a verdict keeps back the older ones of its own channel only."""
    waiting = [turn(9, "a", S.SIGHTED), turn(8, "a", S.SIGHTED), turn(7, "b", S.SIGHTED), turn(2, "c", S.SIGHTED)]
    stored = [turn(9, "a"), turn(3, "c")]
    assert sure(next_fetch(waiting[1:], stored, lambda _: True)).channel == "b"
    assert next_fetch([waiting[1], waiting[3]], stored, lambda _: True) is None
    last = {"a": 1, "b": 2, "c": 0}
    assert sure(next_fetch(waiting, [], lambda _: True, last.__getitem__)).channel == "c"
    assert sure(next_fetch(waiting, [], lambda one: one.seq != 9, {"a": 0, "b": 1, "c": 1}.__getitem__)).seq == 8
