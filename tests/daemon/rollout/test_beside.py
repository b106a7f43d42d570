"""What is beside the live generation: every change of its state, on the engine, in the split and in the ledger."""

import time

import pytest
from kits.engines import FakeEngine
from kits.queues import Queue

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.engines.protocol import NoRoom, Patient, Staged
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.verdicts import record
from hotswapd.daemon.rollout.beside import Beside
from hotswapd.daemon.rollout.states import ByHand, Canary, End, Nothing, Standing, Unwritten
from hotswapd.daemon.rollout.traffic import Traffic
from hotswapd.daemon.rollout.trial import Trial
from hotswapd.swap.gates.spec import Verdict

NUMBER = 7
WORSE = End(State.ROLLED_BACK, Reason.CANARY_WORSE, "it fails more often", {"tries": 3})


class Scene:
    """A queue without a rollout of its own, and a verified candidate that may become a canary."""

    def __init__(self) -> None:
        self.queue = Queue(kind="fake")
        assert isinstance(self.queue.engine, FakeEngine)
        self.engine, self.ledger = self.queue.engine, self.queue.ledger
        self.traffic = Traffic()
        self.beside = Beside(self.engine, self.ledger, self.traffic)
        self.row, self.staged = self._verified()
        self.canary = Canary(self.row.swap_id, self.staged, self.trial())
        self.by_hand = ByHand(self.staged, self.trial())

    def trial(self) -> Trial:
        return Trial(1, NUMBER, self.row.digest, Rollout(), (5.0,))

    def state(self) -> str:
        row = self.ledger.rows.get(self.row.swap_id)
        return f"{row.state} {row.reason}".strip()

    @property
    def is_served(self) -> bool:
        return NUMBER in self.engine.answers and self.traffic.number() == NUMBER

    def _verified(self) -> tuple[Row, Staged]:
        artifact = self.queue.keep(b"two")
        row = self.ledger.add([Find("s", "file:///s/two", "r", 9.0)])[0]
        row = self.ledger.fetched(row, artifact.digest, 0.1)
        self.ledger.attempts.begin(row.digest, SWAP, "canary")
        for state in (State.ADMITTED, State.STAGED, State.VERIFIED):
            row = self.ledger.move(row, state)
        return row, self.engine.stage(self.engine.admit(artifact.path, artifact.digest), Patient())


@pytest.fixture
def scene() -> Scene:
    return Scene()


def standing(scene: Scene) -> Standing:
    """Read what is beside the live generation now."""
    return scene.beside.now


def deaths(scene: Scene) -> int:
    """Count the deaths that the next start would see."""
    scene.ledger.attempts.count_deaths()
    return scene.ledger.attempts.deaths(scene.row.digest, SWAP)[0]


def test_a_canary_is_opened_and_gets_its_share(scene: Scene) -> None:
    scene.beside.begin(scene.canary)
    assert scene.beside.now is scene.canary
    assert scene.traffic.trial is scene.canary.trial
    assert scene.is_served


def test_without_room_nothing_begins(scene: Scene) -> None:
    scene.queue.model.full = True
    with pytest.raises(NoRoom):
        scene.beside.begin(scene.canary)
    assert scene.beside.now == Nothing()
    assert not scene.is_served
    assert scene.traffic.trial is None


def test_the_end_of_a_canary_is_served_then_written(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its requests are taken away before the ledger, which may be down, is asked."""
    scene.beside.begin(scene.canary)
    served: list[bool] = []
    move = scene.ledger.move

    def moved(*arguments: object, **fields: object) -> Row:
        served.append(scene.is_served or scene.traffic.trial is not None)
        return move(*arguments, **fields)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(scene.ledger, "move", moved)
    scene.beside.end(WORSE)
    assert served == [False]
    assert scene.state() == "ROLLED_BACK canary_worse"
    assert scene.ledger.rows.get(scene.row.swap_id).tries == 3
    assert scene.beside.now == Nothing()
    assert deaths(scene) == 0


def test_an_end_that_cannot_be_written_is_written_later(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no canary any more meanwhile, and its berth is free."""

    def down(*_: object, **__: object) -> Row:
        raise LedgerDown("the disk is full")

    scene.beside.begin(scene.canary)
    monkeypatch.setattr(scene.ledger, "move", down)
    with pytest.raises(LedgerDown):
        scene.beside.end(WORSE)
    assert standing(scene) == Unwritten(scene.row.swap_id, WORSE, scene.canary.notes)
    assert not scene.is_served
    with pytest.raises(LedgerDown):
        scene.beside.write()
    monkeypatch.undo()
    scene.beside.end(End(State.HELD, Reason.PINNED, "too late"))
    assert scene.state() == "VERIFIED"
    scene.beside.write()
    assert scene.state() == "ROLLED_BACK canary_worse"
    assert isinstance(standing(scene), Nothing)


def test_another_end_of_the_row_is_kept(scene: Scene) -> None:
    """Another thread, such as a scan, may have ended the row first."""
    scene.beside.begin(scene.canary)
    scene.ledger.move(scene.row, State.SUPERSEDED, Reason.NEWER_LIVE)
    scene.beside.end(WORSE)
    assert scene.state() == "SUPERSEDED newer_live"
    assert scene.beside.now == Nothing()
    assert deaths(scene) == 0


def test_a_comparison_by_hand_leaves_its_row_alone(scene: Scene) -> None:
    """It is a generation that was live, not a candidate."""
    scene.beside.begin(scene.by_hand)
    assert scene.is_served
    scene.beside.end(WORSE)
    assert (scene.state(), scene.beside.now) == ("VERIFIED", Nothing())
    assert scene.queue.model.withdrawn == [NUMBER]


def test_nothing_ends_as_nothing(scene: Scene) -> None:
    scene.beside.end(WORSE)
    scene.beside.give_way(1)
    scene.beside.write()
    assert (scene.beside.now, scene.state(), scene.queue.model.withdrawn) == (Nothing(), "VERIFIED", [])


def test_it_gives_way_to_any_other_generation(scene: Scene) -> None:
    """A canary waits half a minute then, so that what it gave way to gets the berth."""
    scene.beside.begin(scene.canary)
    scene.beside.give_way(NUMBER)
    assert scene.beside.now is scene.canary
    before = time.time()
    scene.beside.give_way(NUMBER + 1)
    assert scene.state() == "HELD interrupted"
    due = scene.ledger.rows.get(scene.row.swap_id).next_try
    assert due is not None
    assert before + 29 < due < time.time() + 31


def test_one_that_took_over_is_not_closed(scene: Scene) -> None:
    """It is the live generation now."""
    scene.beside.begin(scene.canary)
    scene.beside.took_over()
    assert (scene.beside.now, scene.traffic.trial) == (Nothing(), None)
    assert NUMBER in scene.engine.answers
    assert scene.queue.model.withdrawn == []


def test_each_verdict_is_noted_once(scene: Scene) -> None:
    scene.beside.begin(scene.canary)
    scene.canary.notes.append(record(Verdict("canary")))
    for _ in range(2):
        assert [one["gate"] for one in scene.beside.note(scene.canary).verify] == ["canary"]
    scene.beside.end(WORSE)
    assert len(scene.ledger.rows.get(scene.row.swap_id).verify) == 1
