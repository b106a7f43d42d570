"""The one way in which what is live changes: its order, and that a step which fails leaves everything as before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from kits.engines import FakeEngine
from kits.queues import Queue

from hotswapd.daemon.engines.protocol import NoRoom, Patient, Routed, Staged
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import LedgerDown, Left
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live import going_live
from hotswapd.daemon.live.going_live import Change, Live


class Steps(list[str]):
    """What happened, in order; it is the listener of `Live` and stands beside the live generation."""

    def give_way(self, number: int) -> None:
        self.append(f"{number} comes")

    def went_live(self, live: Generation, staged: Staged, pause: float | None) -> None:
        self.append(f"listener {live.number} {pause}")


class Scene:
    """A queue with generation 1 live, a `Live` of its own that writes down its steps, and a verified candidate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queue = Queue(kind="fake")
        self.queue.place.put("one", b"one")
        self.queue.settle()
        self.steps = Steps()
        queue = self.queue
        assert isinstance(queue.engine, FakeEngine)
        self.engine = queue.engine
        self.live = Live(queue.engine, queue.ledger, queue.store, self.steps, queue.live, self.steps, self.steps.append)
        self.row, self.staged = self.verified()
        self.fails: dict[str, Exception] = {}
        self._record(monkeypatch)

    def verified(self) -> tuple[Row, Staged]:
        queue = self.queue
        artifact = queue.keep(b"two")
        row = queue.ledger.add([Find("s", "file:///s/two", "r", 9.0)])[0]
        row = queue.ledger.fetched(row, artifact.digest, 0.1)
        for state in (State.ADMITTED, State.STAGED, State.VERIFIED):
            row = queue.ledger.move(row, state)
        return row, queue.engine.stage(queue.engine.admit(artifact.path, artifact.digest), Patient())

    def change(self, **more: object) -> Change:
        return Change(2, self.row, self.row.digest, **more)  # type: ignore[arg-type] # fields of Change

    def world(self) -> tuple[object, ...]:
        """Everything that names what is live."""
        queue = self.queue
        row = queue.ledger.rows.live()
        assert row is not None
        return self.live.now, queue.store.pointer(), row.swap_id, self.engine.routed, queue.ledger.flags.pinned()

    def _record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        engine, store = self.queue.engine, self.queue.store
        route, point = engine.route, store.point

        @contextmanager
        def recorded(staged: Staged, number: int, name: str) -> Iterator[Routed]:
            self._pass("room")
            with route(staged, number, name) as routed:
                yield routed
            self._pass("routed")

        def pointed(record: dict[str, object], highest: int | None = None, channel: str = "default") -> None:
            self._pass("pointer")
            point(record, highest, channel)

        monkeypatch.setattr(engine, "route", recorded)
        monkeypatch.setattr(store, "point", pointed)
        monkeypatch.setattr(going_live, "failpoint", self._pass)
        monkeypatch.setattr(self.queue.ledger._file, "_on_change", self._written)

    def _written(self, rows: Sequence[Row]) -> None:
        self._pass(f"ledger {' '.join(sorted(row.state for row in rows))}")

    def _pass(self, name: str) -> None:
        self.steps.append(name)
        if name in self.fails:
            raise self.fails.pop(name)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_pointer_then_ledger_then_route(scene: Scene) -> None:
    """And nobody hears of it before it is so."""
    scene.live.go_live(scene.change(), scene.staged)
    assert scene.steps == [
        "commit",
        "2 comes",
        "room",
        "seat",
        "pointer",
        "pointed",
        "ledger LIVE RETIRED",
        "committed",
        "routed",
        "listener 2 0.001",
        "live",
    ]


@pytest.mark.parametrize("place", ["room", "seat", "pointer", "pointed"])
def test_a_step_that_fails_changes_nothing(scene: Scene, place: str) -> None:
    """Pointer, ledger, route, pin and `now` are as before, and the next try succeeds."""
    before = scene.world()
    scene.fails[place] = NoRoom("no") if place == "room" else OSError("the disk")
    with pytest.raises((NoRoom, OSError)):
        scene.live.go_live(scene.change(pins=True, refuses=1), scene.staged)
    assert scene.world() == before
    assert [one.number for one in scene.queue.ledger.generations.newest(9, good=True)] == [1]
    assert not any(step.startswith("listener") for step in scene.steps)
    assert scene.live.go_live(scene.change(), scene.staged) == scene.live.now
    assert scene.live.now.number == 2


def test_the_pin_and_the_refusal_are_written_with_it(scene: Scene) -> None:
    """One transaction has all of a change."""
    scene.live.go_live(scene.change(pins=True, refuses=1), scene.staged)
    assert scene.queue.ledger.flags.pinned()
    assert [one.number for one in scene.queue.ledger.generations.newest(9, good=True)] == [2]


def test_a_find_becomes_a_row_of_its_own(scene: Scene) -> None:
    """So a rollback is in the history beside the row that it goes back to."""
    queue = scene.queue
    find = Find("operator", "file:///s/two", "r", 9.0, State.VERIFIED, "rollback", forced=True)
    live = scene.live.go_live(Change(2, find, scene.row.digest), scene.staged)
    row = queue.ledger.rows.get(live.swap_id)
    assert (row.state, row.digest, row.generation) == (State.LIVE, scene.row.digest, 2)
    assert live.swap_id != scene.row.swap_id


@pytest.mark.parametrize(
    ("left", "closed"),
    [(Left(State.ROLLED_BACK, Reason.OPERATOR), [1]), (Left(State.RETIRED), [])],
)
def test_only_what_was_rolled_back_from_is_closed(scene: Scene, left: Left, closed: list[int]) -> None:
    """The requests of a generation that retires may name it until they end."""
    scene.live.go_live(scene.change(left=left), scene.staged)
    assert scene.queue.model.withdrawn == closed


def test_a_pause_that_cannot_be_recorded_undoes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is live, whatever the disk does afterwards."""

    def down(row: Row, **fields: object) -> Row:
        raise LedgerDown("the disk is full")

    monkeypatch.setattr(scene.queue.ledger, "amend", down)
    assert scene.live.go_live(scene.change(), scene.staged).number == scene.live.now.number == 2


def test_a_return_after_a_start_writes_nothing(scene: Scene) -> None:
    """Pointer and ledger name it already."""
    generation = Generation(2, "file:///s/two", "r", scene.row.digest, 1.0, scene.row.swap_id)
    pointer = scene.queue.store.pointer()
    scene.live.come_back(generation, scene.staged)
    assert scene.live.now is generation
    assert scene.steps == ["room", "routed", "restored"]
    assert scene.queue.store.pointer() == pointer


def test_an_announcement_interrupts_nobody_and_holds_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has found on the engine is dropped, even if the listener fails."""
    holds = scene.engine.holds
    held = sum(holds.values())
    scene.live.announce()
    assert scene.steps == ["listener 1 None"]

    def fails(*_: object) -> None:
        raise RuntimeError("a listener must not")

    monkeypatch.setattr(Steps, "went_live", fails)
    with pytest.raises(RuntimeError):
        scene.live.announce()
    assert sum(holds.values()) == held
