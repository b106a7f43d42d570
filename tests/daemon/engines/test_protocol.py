"""What the pipeline makes of an engine of several members: slow ones, lost ones, and ones that disagree."""

import pytest
from kits.engines import FakeEngine, Member
from kits.queues import Queue

from hotswapd.daemon.engines.protocol import Answer, NoRoom, Part, decide
from hotswapd.daemon.ledger.rows import Row
from hotswapd.swap.errors import RolledBack


@pytest.fixture
def queue() -> Queue:
    made = Queue(kind="fake")
    made.place.put("first", b"first")
    made.settle()
    assert made.live.number == 1
    return made


def engine_of(queue: Queue, *members: Member) -> FakeEngine:
    assert isinstance(queue.engine, FakeEngine)
    queue.engine.members = list(members)
    return queue.engine


def offer(queue: Queue, name: str = "a") -> str:
    uri = queue.place.put(name, name.encode())
    queue.scan()
    queue.fetch()
    return uri


def verdicts(queue: Queue, uri: str) -> list[tuple[str, str]]:
    row = queue.ledger.rows.latest(uri)
    assert row is not None
    return [(str(one.get("member", "")), str(one["outcome"])) for one in row.verify]


def test_all_members_fit_is_fit() -> None:
    """Also when there is one member only, which has no name."""
    decide([Part(), Part("r2")])


def test_one_refusal_is_a_veto() -> None:
    """The refusal names the member and keeps its code."""
    with pytest.raises(RolledBack, match="r2: NaN") as caught:
        decide([Part("r1"), Part("r2", Answer.REFUSED, "probe_not_finite", "NaN"), Part("r3", Answer.LOST)])
    assert caught.value.code == "probe_not_finite"


def test_lost_members_take_no_part() -> None:
    """But somebody must have found it fit."""
    decide([Part("r1"), Part("r2", Answer.LOST, sentence="it does not answer")])
    with pytest.raises(NoRoom, match="r1: it does not answer"):
        decide([Part("r1", Answer.LOST, sentence="it does not answer")])


def test_verdicts_of_each_member_are_in_the_row(queue: Queue) -> None:
    """A member that is lost has none, and the candidate goes live on the others."""
    engine_of(queue, Member("r1"), Member("r2", lost="it was preempted"), Member("r3"))
    uri = offer(queue)
    queue.turn()
    assert queue.live.uri == uri
    assert verdicts(queue, uri) == [("r1", "passed"), ("r3", "passed")]


def test_a_veto_of_one_rolls_back_and_keeps_what_is_live(queue: Queue) -> None:
    """Nobody has served it, and the row names who refused it."""
    engine_of(queue, Member("r1"), Member("r2", refuses=("probe_not_finite", "logits are NaN")))
    uri = offer(queue)
    queue.turn()
    assert (queue.states()[uri], queue.live.number) == ("ROLLED_BACK probe_not_finite", 1)
    row = queue.ledger.rows.latest(uri)
    assert row is not None
    assert row.detail.startswith("r2: ")
    assert verdicts(queue, uri) == [("r1", "passed"), ("r2", "failed")]


def test_with_every_member_lost_it_is_held_and_tried_again(queue: Queue) -> None:
    """That is no evidence against the candidate."""
    engine_of(queue, Member("r1", lost="it does not answer"))
    uri = offer(queue)
    queue.turn()
    assert queue.states()[uri] == "HELD no_berth"
    engine_of(queue, Member("r1"))
    row = queue.ledger.rows.latest(uri)
    assert row is not None
    queue.ledger.amend(row, next_try=0.0)
    queue.turn()
    assert queue.live.uri == uri


def test_nothing_is_held_after_a_candidate_however_it_ends(queue: Queue) -> None:
    """Live, refused, failed, vetoed or interrupted: what was staged is dropped."""
    engine = engine_of(queue, Member("r1"), Member("r2", refuses=("probe_not_finite", "NaN")))
    offer(queue, "vetoed")
    queue.turn()
    engine_of(queue, Member("r1"))
    for name in ("good", "bad-rank", "sick-probe"):
        offer(queue, name)
        queue.turn()
    queue.model.before_verify = divide
    offer(queue, "defect")
    queue.turn()
    assert not +engine.holds
    assert queue.live.uri == "file:///s/good"


def test_a_slow_member_lets_the_operator_through(queue: Queue) -> None:
    """While a member takes its time, a command is done; when it pauses the queue, the candidate is held."""
    engine_of(queue, Member("r1", delay=30.0))
    uri = offer(queue)
    queue.acts.worker.between(lambda: queue.ledger.flags.set("paused", value=True))
    queue.candidates.run(_row(queue, uri), queue.worker, pinned=False)
    assert (queue.states()[uri], queue.live.number) == ("HELD paused", 1)
    assert not +engine_of(queue, Member()).holds


def test_a_slow_call_is_cut_short_when_the_process_ends(queue: Queue) -> None:
    """The candidate keeps its place in the queue for the next process."""
    engine_of(queue, Member("r1", delay=30.0))
    uri = offer(queue)
    queue.acts.worker.between(queue.stop.set)
    queue.candidates.run(_row(queue, uri), queue.worker, pinned=False)
    assert queue.states()[uri] == "FETCHED restarted"


def test_while_one_is_verified_another_may_be_staged(queue: Queue) -> None:
    """The worker may use the engine again while a long call gives way: two candidates are on it at once."""
    engine = engine_of(queue, Member("r1"))
    second = queue.keep(b"second")
    beside: list[str] = []

    class Pauses:
        def give_way(self, channel: str = "") -> None:
            if not beside and "verify" in engine.calls:
                beside.append(second.digest)
                staged = engine.stage(engine.admit(second.path, second.digest), _Caller())
                engine.open(staged, 77)
                engine.drop(staged)

        def rest(self, seconds: float, channel: str = "") -> None:
            self.give_way()

    uri = offer(queue)
    queue.candidates.run(_row(queue, uri), Pauses(), pinned=False)
    assert queue.live.uri == uri
    assert {one.number for one in engine.loaded()} >= {queue.live.number, 77}


def divide() -> None:
    raise ZeroDivisionError("division by zero")


class _Caller:
    def give_way(self) -> None: ...

    def rest(self, seconds: float) -> None: ...

    def progress(self, progress: object) -> None: ...

    def verdict(self, verdict: object, member: str = "") -> None: ...


def _row(queue: Queue, uri: str) -> Row:
    row = queue.ledger.rows.latest(uri)
    assert row is not None
    return row


def test_two_names_have_a_live_generation_each(queue: Queue) -> None:
    """A change of one leaves the other's route alone, and what is retired for one may be live for the other."""
    engine = engine_of(queue, Member("r1"))
    artifact = queue.keep(b"second")
    staged = engine.stage(engine.admit(artifact.path, artifact.digest), _Caller())
    with engine.route(staged, 7, "support"):
        pass
    assert engine.routes == {"default": 1, "support": 7}
    uri = offer(queue)
    queue.turn()
    assert queue.live.uri == uri
    assert engine.routes == {"default": queue.live.number, "support": 7}
    assert {one.number for one in engine.loaded()} >= {queue.live.number, 7}
    engine.drop(staged)
