"""The acts on a rollout: begun, promoted and stopped by hand."""

import pytest
from kits.queues import Queue

from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.rollout.states import ByHand, Nothing

pytestmark = pytest.mark.usefixtures("engine_kind")


@pytest.fixture
def queue() -> Queue:
    made = Queue()
    for name in ("one", "two"):
        made.place.put(name, name.encode())
        made.settle()
    return made


def beside(queue: Queue) -> int:
    now = queue.rollouts.beside.now
    assert isinstance(now, ByHand)
    return now.trial.canary


def test_a_kept_generation_goes_beside_the_live_one(queue: Queue) -> None:
    """What is live stays live, and nothing is pinned."""
    live = queue.ask(queue.acts.start, queue.default, 1, 30.0)
    assert (live.number, beside(queue), queue.traffic.number()) == (2, 1, 1)
    assert not queue.ledger.flags.pinned()


@pytest.mark.parametrize(("number", "code"), [(2, "already_live"), (9, "no_such_generation")])
def test_a_senseless_comparison_is_refused(queue: Queue, number: int, code: str) -> None:
    with pytest.raises(Conflict) as caught:
        queue.ask(queue.acts.start, queue.default, number, 30.0)
    assert (caught.value.code, queue.rollouts.beside.now) == (code, Nothing())


def test_a_second_comparison_is_refused(queue: Queue) -> None:
    queue.ask(queue.acts.start, queue.default, 1, 30.0)
    with pytest.raises(Conflict) as caught:
        queue.ask(queue.acts.start, queue.default, 0, 30.0)
    assert (caught.value.code, beside(queue)) == ("rollout_runs", 1)


def test_without_a_berth_it_is_not_begun(queue: Queue) -> None:
    queue.model.full = True
    with pytest.raises(Conflict, match=r"or raise serve\.berths") as caught:
        queue.ask(queue.acts.start, queue.default, 1, 30.0)
    assert (caught.value.code, queue.rollouts.beside.now) == ("no_berth", Nothing())


def test_a_promotion_by_hand_retires_the_live_one(queue: Queue) -> None:
    """Nobody is refused by it: either can be gone back to."""
    queue.ask(queue.acts.start, queue.default, 1, 30.0)
    assert queue.ask(queue.acts.promote, queue.default).number == 1
    assert (queue.rollouts.beside.now, queue.traffic.trial) == (Nothing(), None)
    assert queue.states()["file:///s/two"] == "RETIRED ab_promoted"
    assert [one.number for one in queue.ledger.generations.newest(9, good=True)] == [2, 1]


def test_a_stop_leaves_what_is_live(queue: Queue) -> None:
    queue.ask(queue.acts.start, queue.default, 1, 30.0)
    assert queue.ask(queue.acts.stop, queue.default).number == 2
    assert (queue.rollouts.beside.now, queue.states()["file:///s/two"]) == (Nothing(), "LIVE")


def test_a_canary_can_be_promoted_or_stopped(queue: Queue) -> None:
    """Whatever was counted; one that is stopped is not taken again by itself."""
    queue.mode = "canary"
    queue.assemble(queue.live)
    for name, act, state in (("three", queue.acts.stop, "ROLLED_BACK operator"), ("four", queue.acts.promote, "LIVE")):
        uri = queue.place.put(name, name.encode())
        queue.scan()
        queue.fetch()
        queue.turn()
        queue.ask(act, queue.default)
        assert queue.states()[uri] == state


@pytest.mark.parametrize("act", ["promote", "stop"])
def test_without_a_rollout_there_is_nothing_to_decide(queue: Queue, act: str) -> None:
    with pytest.raises(Conflict) as caught:
        queue.ask(getattr(queue.acts, act), queue.default)
    assert (caught.value.code, queue.live.number) == ("no_rollout", 2)
