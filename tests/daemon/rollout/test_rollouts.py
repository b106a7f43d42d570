"""Rollouts: which candidate becomes the canary, which waits, and what ends or promotes it."""

import sqlite3
from dataclasses import replace

import pytest
from kits.queues import Queue

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.engines.protocol import NoRoom
from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.rollout.states import ByHand, Canary, End, Nothing
from hotswapd.daemon.rollout.trial import Action, Decision

pytestmark = pytest.mark.usefixtures("engine_kind")


@pytest.fixture
def queue() -> Queue:
    """Make a queue with generation 1 live, and a canary beside it."""
    made = Queue()
    made.place.put("one", b"one")
    made.settle()
    made.mode = "canary"
    made.assemble(made.live)
    row = offer(made, "two")
    made.turn()
    assert canary(made).swap_id == row.swap_id
    return made


def offer(queue: Queue, name: str) -> Row:
    queue.place.put(name, name.encode())
    queue.scan()
    row = queue.fetch()
    assert row is not None
    return row


def canary(queue: Queue) -> Canary:
    now = queue.rollouts.beside.now
    assert isinstance(now, Canary)
    return now


def decide(queue: Queue, action: Action) -> None:
    """Have a decision due at the next poll."""
    canary(queue).decided = Decision(action, "as the test says", {"share": 5.0})


def state(queue: Queue, name: str) -> str:
    return queue.states()[f"file:///s/{name}"]


def test_a_canary_has_a_number_that_nobody_goes_back_to(queue: Queue) -> None:
    """It answers as generation 2 while it is verified only."""
    assert (queue.live.number, canary(queue).trial.canary) == (1, 2)
    assert [one.number for one in queue.ledger.generations.newest(9, good=True)] == [1]
    assert queue.rollouts.is_beside(canary(queue).staged.digest)
    assert not queue.rollouts.is_beside(queue.live.digest)
    assert not queue.rollouts.by_hand


def test_a_bad_one_is_dropped_with_what_was_found(queue: Queue) -> None:
    """The sentence says what takes these bytes again; the numbers are in the row."""
    swap_id = canary(queue).swap_id
    decide(queue, Action.DROP)
    queue.rollouts.poll()
    row = queue.ledger.rows.get(swap_id)
    assert (row.state, row.reason) == (State.ROLLED_BACK, Reason.CANARY_WORSE)
    assert "as the test says; `hotswapd submit --again` takes these bytes once more" in row.detail
    assert row.verify[-1]["numbers"] == {"share": 5.0}
    assert (queue.rollouts.beside.now, queue.live.number) == (Nothing(), 1)


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_bad_one_answers_no_more_while_the_ledger_is_locked(queue: Queue, how: str) -> None:
    """Its requests go at once, its row later, with what was found."""
    swap_id = canary(queue).swap_id
    decide(queue, Action.DROP)
    other = sqlite3.connect(queue.ledger.path, isolation_level=None)
    other.execute(f"BEGIN {how}")
    with pytest.raises(LedgerDown):
        queue.rollouts.poll()
    assert queue.traffic.trial is None
    other.execute("ROLLBACK")
    other.close()
    queue.rollouts.poll()
    row = queue.ledger.rows.get(swap_id)
    assert (row.state, row.reason) == (State.ROLLED_BACK, Reason.CANARY_WORSE)
    assert row.verify[-1]["numbers"] == {"share": 5.0}


def test_a_good_one_takes_over(queue: Queue) -> None:
    decide(queue, Action.PROMOTE)
    queue.rollouts.poll()
    assert (queue.live.number, queue.rollouts.beside.now) == (2, Nothing())
    assert (state(queue, "one"), state(queue, "two")) == ("RETIRED", "LIVE")
    assert [one.number for one in queue.ledger.generations.newest(9, good=True)] == [2, 1]
    assert queue.traffic.trial is None


def test_a_step_is_noted_and_goes_on(queue: Queue) -> None:
    decide(queue, Action.STEP)
    queue.rollouts.poll()
    assert canary(queue).decided is None
    assert len(queue.ledger.rows.get(canary(queue).swap_id).verify) > 0


def test_a_promotion_without_room_is_tried_again(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision stands, and is noted once."""

    def full(*_: object) -> None:
        raise NoRoom("every berth is in use")

    decide(queue, Action.PROMOTE)
    monkeypatch.setattr(queue.engine, "route", full)
    queue.rollouts.poll()
    queue.rollouts.poll()
    assert queue.live.number == 1
    assert len(canary(queue).notes) == 1
    monkeypatch.undo()
    queue.rollouts.poll()
    assert queue.live.number == 2


def test_a_pin_ends_the_canary(queue: Queue) -> None:
    """The safe side wins; `unpin` lets it try again."""
    queue.ledger.flags.set("pinned", value=True)
    queue.rollouts.poll()
    assert (state(queue, "two"), queue.rollouts.beside.now) == ("HELD pinned", Nothing())


def test_a_row_that_has_ended_takes_its_canary_with_it(queue: Queue) -> None:
    """Another thread may end it, when what lies at its address has changed."""
    row = queue.ledger.rows.get(canary(queue).swap_id)
    queue.ledger.move(row, State.SUPERSEDED, Reason.NEWER_LIVE)
    queue.rollouts.poll()
    assert (state(queue, "two"), queue.rollouts.beside.now) == ("SUPERSEDED newer_live", Nothing())


def test_a_rollback_ends_the_canary(queue: Queue) -> None:
    """It was compared with a generation that is not live any more."""
    queue.ask(queue.acts.roll_back, queue.default, 0, follow=True)
    queue.rollouts.poll()
    assert state(queue, "two") == "HELD interrupted"
    assert queue.live.number == 0


def test_a_newer_candidate_takes_its_place(queue: Queue) -> None:
    offer(queue, "three")
    queue.turn()
    assert state(queue, "two") == "SUPERSEDED newer_canary"
    assert canary(queue).trial.canary == 3


def test_a_newer_candidate_waits_where_that_is_configured(queue: Queue) -> None:
    """`on_newer = "wait"`: nothing is tried until the canary has ended."""
    row = offer(queue, "three")
    waiting = replace(queue.rollouts, table=Rollout(mode="canary", on_newer="wait"))
    assert waiting.leaves_alone(row.swap_id)
    assert not queue.rollouts.leaves_alone(row.swap_id)
    assert queue.rollouts.leaves_alone(canary(queue).swap_id)


def test_a_comparison_by_hand_holds_every_candidate(queue: Queue) -> None:
    queue.rollouts.beside.end(End(State.ROLLED_BACK, Reason.OPERATOR, "stopped"))
    row = offer(queue, "three")
    assert not queue.rollouts.leaves_alone(row.swap_id)
    with queue.rollback.staged(queue.rollback.base) as staged:
        queue.rollouts.compare(staged, 0, 30.0)
        assert queue.rollouts.by_hand
        assert queue.rollouts.leaves_alone(row.swap_id)
        with pytest.raises(Conflict, match="promote or stop it first"):
            queue.rollouts.compare(staged, 0, 30.0)
    now = queue.rollouts.beside.now
    assert isinstance(now, ByHand)
    assert (now.trial.shares, now.trial.decides) == ((30.0,), False)


def test_an_end_that_is_not_written_lets_nothing_begin(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger would have two canaries otherwise."""
    row = queue.ledger.rows.get(canary(queue).swap_id)
    monkeypatch.setattr(queue.rollouts.beside, "write", lambda: None)
    with pytest.raises(NoRoom):
        queue.rollouts.begin(row, canary(queue).staged)


def test_a_proper_end_is_no_death(queue: Queue) -> None:
    """The next process tries it again from the first step."""
    digest = canary(queue).staged.digest
    queue.rollouts.halt()
    queue.ledger.attempts.count_deaths()
    assert queue.ledger.attempts.deaths(digest, SWAP)[0] == 0
