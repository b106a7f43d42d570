"""Going back by hand: where to, and what becomes of the one that was left."""

from typing import Any

import pytest
from kits.queues import Queue

from hotswapd.daemon.engines.protocol import Staged
from hotswapd.daemon.errors import AdapterRefused, Conflict
from hotswapd.daemon.ledger.ledger import Left
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.rollback import Rollback
from hotswapd.daemon.rollout.states import Nothing
from hotswapd.swap.adapter.fingerprints import make_fingerprint

pytestmark = pytest.mark.usefixtures("engine_kind")

HERE, ELSEWHERE = (make_fingerprint("llama", "t", weights) for weights in ("here", "elsewhere"))
BACK = Left(State.ROLLED_BACK, "operator", "rolled back by hand")


@pytest.fixture
def queue() -> Queue:
    made = Queue()
    for name in ("one", "two", "three"):
        made.place.put(name, name.encode())
        made.settle()
    return made


@pytest.fixture
def rollback(queue: Queue) -> Rollback:
    return queue.rollback


def test_by_default_it_goes_to_the_last_good_one_before(queue: Queue, rollback: Rollback) -> None:
    """One that was itself rolled back from is passed over; before the first one there is the base."""
    assert rollback.target(None).number == 2
    queue.ledger.generations.refuse(2)
    assert rollback.target(None).number == 1
    queue.ledger.generations.refuse(1)
    assert rollback.target(None).number == 0


def test_it_goes_where_it_is_told_to_also_to_one_that_was_left(queue: Queue, rollback: Rollback) -> None:
    """The operator's word counts more than what was refused before."""
    queue.ledger.generations.refuse(1)
    assert [rollback.target(number).number for number in (0, 1, 2)] == [0, 1, 2]


@pytest.mark.parametrize(("number", "code"), [(3, "already_live"), (4, "no_such_generation")])
def test_a_target_that_makes_no_sense_is_refused(rollback: Rollback, number: int, code: str) -> None:
    """The sentence names the generations that there are."""
    with pytest.raises(Conflict) as caught:
        rollback.target(number)
    assert caught.value.code == code
    if number == 4:
        assert "there are 0 (the base), 3, 2, 1" in caught.value.sentence


def test_a_rollback_is_a_swap_of_its_own(queue: Queue, rollback: Rollback) -> None:
    """The number and the digest are the old ones, the row is new, and the pointer names it."""
    left = queue.live.swap_id
    live = rollback.run(rollback.target(1), BACK)
    (row,) = queue.live_rows()
    assert (live.number, row.swap_id, row.reason) == (1, live.swap_id, "")
    assert row.uri == "file:///s/one"
    ended = queue.ledger.rows.get(left)
    assert (ended.state, ended.reason, ended.detail) == ("ROLLED_BACK", "operator", "rolled back by hand")
    assert queue.store.pointer() == live.record()
    assert queue.model.withdrawn == [3]
    assert queue.ledger.generations.next_number() == 4


def test_it_goes_back_to_the_bare_base_and_a_restart_stays_there(queue: Queue, rollback: Rollback) -> None:
    """Generation 0 can be live by the operator's word as any other."""
    rollback.run(rollback.target(0), BACK)
    assert queue.live.number == 0
    queue.ledger.flags.set("pinned", value=True)
    queue.restart()
    queue.settle()
    assert (queue.live.number, len(queue.live_rows())) == (0, 1)
    queue.ledger.flags.set("pinned", value=False)
    queue.place.put("four", b"four")
    queue.settle()
    assert queue.live.number == 4


def test_a_generation_that_is_not_kept_is_refused_with_what_to_do(queue: Queue, rollback: Rollback) -> None:
    """The store has given its copy away."""
    for _ in range(2):
        queue.store.collect({queue.live.digest})
    with pytest.raises(Conflict, match=r"raise state\.keep") as caught:
        rollback.run(rollback.target(1), BACK)
    assert (caught.value.code, queue.live.number) == ("generation_not_kept", 3)


def test_one_on_the_device_but_not_in_the_store_is_refused(
    queue: Queue, rollback: Rollback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be live until the next restart, which has only the store."""
    for _ in range(2):
        queue.store.collect({queue.live.digest})
    monkeypatch.setattr(queue.engine, "find", lambda number: Staged(queue.model.live, number))
    pointer = queue.store.pointer()
    with pytest.raises(Conflict, match="not in the store any more"):
        rollback.run(rollback.target(2), BACK)
    assert (queue.store.pointer(), queue.live.number) == (pointer, 3)


@pytest.mark.parametrize("step", ["rollback", "pointed"])
def test_what_is_gone_back_to_is_not_collected_meanwhile(
    queue: Queue, rollback: Rollback, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What is to be kept was read before the ledger names it as live; it is removed at the worst moment."""
    kept = queue.ledger.generations.kept(1, []) | queue.ledger.rows.in_store()
    for module in ("rollback", "going_live"):
        monkeypatch.setattr(
            f"hotswapd.daemon.live.{module}.failpoint", lambda name: name == step and queue.store.collect(kept)
        )
    queue.store.collect([one.digest for one in queue.ledger.generations.newest(9)])
    assert rollback.run(rollback.target(1), BACK).number == 1
    assert queue.store.find(queue.live.digest) is not None
    assert queue.store.find(queue.generation(2).digest) is None
    queue.store.collect(kept)
    assert queue.store.find(queue.live.digest) is not None


def test_a_generation_that_fails_now_is_refused(queue: Queue, rollback: Rollback) -> None:
    """It is admitted and verified like any other: it may have fitted an earlier contract only."""
    pointer, rows = queue.store.pointer(), queue.ledger.rows.history(100)
    queue.model.full = True
    with pytest.raises(Conflict) as caught:
        rollback.run(rollback.target(1), BACK)
    assert caught.value.code == "no_berth"
    queue.model.full = False
    path = queue.artifact(rollback.target(1).digest).path / "adapter_model.safetensors"
    for content, code in ((b"bad", "rank_too_high"), (b"sick", "probe_not_finite")):
        path.chmod(0o600)
        path.write_bytes(content)
        with pytest.raises(Conflict) as caught:
            rollback.run(rollback.target(1), BACK)
        assert caught.value.code == code
    assert (queue.store.pointer(), queue.ledger.rows.history(100), queue.live.number) == (pointer, rows, 3)


def test_what_is_beside_gives_way_to_a_rollback_that_finds_no_berth(queue: Queue, rollback: Rollback) -> None:
    """A canary's berth is free as soon as it has no requests: the safe side does not wait for it."""
    queue.ask(queue.acts.start, queue.default, 2, 30.0)
    queue.model.full = True

    class Freeing(list[int]):
        def append(self, number: int) -> None:
            super().append(number)
            queue.model.full = False

    queue.model.withdrawn = Freeing()
    assert rollback.run(rollback.target(1), BACK).number == 1
    assert (queue.model.withdrawn[0], queue.rollouts.beside.now) == (2, Nothing())


def test_touching_what_was_left_does_not_bring_it_back(queue: Queue, rollback: Rollback) -> None:
    """Its bytes are known at its address; only the operator, or another name, makes it a candidate again."""
    rollback.run(rollback.target(2), BACK)
    queue.place.touch("file:///s/three")
    queue.settle()
    assert queue.live.number == 2
    queue.place.put("three-again", b"three")
    queue.settle()
    assert (queue.live.uri, queue.live.number) == ("file:///s/three-again", 4)


def test_a_death_right_after_the_pointer_serves_the_rollback(
    queue: Queue, rollback: Rollback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has not taken it yet, the pointer has: the next process goes by the pointer and stays pinned."""

    class Died(BaseException):
        pass

    def dies_after(record: dict[str, Any], **_: object) -> None:
        point(record)
        monkeypatch.setattr(queue.store, "point", lambda *_, **__: None)  # a dead process does not point back
        raise Died

    point = queue.store.point
    monkeypatch.setattr(queue.store, "point", dies_after)
    queue.ledger.flags.set("pinned", value=True)
    with pytest.raises(Died):
        rollback.run(rollback.target(1), BACK)
    monkeypatch.undo()
    queue.restart()
    queue.settle()
    assert (queue.live.number, len(queue.live_rows()), queue.ledger.flags.pinned()) == (1, 1, True)


def test_what_was_verified_on_another_base_is_passed_over(queue: Queue, rollback: Rollback) -> None:
    """By default; who names it is told to have the gates look at it, since the short probe would not tell."""
    queue.ledger.bases.serve(ELSEWHERE)
    queue.ledger.bases.note(2)
    queue.ledger.bases.serve(HERE)
    assert rollback.target(None).number == 1
    with pytest.raises(AdapterRefused, match="submit --again") as caught:
        rollback.run(rollback.target(2), BACK)
    assert caught.value.code == "base_changed"
    assert queue.live.number == 3
    assert rollback.by_itself("watch_errors", "it fails").number == 1
