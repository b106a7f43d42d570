"""Three replicas with real models and a watcher's engine: each answers as a fresh PEFT load does, or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.rows import SHORT_ASK, Bench, adapter, bench
from kits.rows import Held as HeldAnswer

from hotswapd.daemon.engines.protocol import Admitted, Patient, Staged, Subject, decide
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.fleet.changes import Changes
from hotswapd.daemon.fleet.engine import FleetEngine
from hotswapd.daemon.fleet.fleet import Fleet
from hotswapd.daemon.fleet.held import Held
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.outside import Outside
from hotswapd.daemon.fleet.replica import Replica
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.daemon.fleet.shared.trail import Follower, Term, Trail
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.store.store import Store
from hotswapd.swap.errors import RolledBack
from hotswapd.swap.rows.tickets import NoGeneration

BERTHS, REPLICAS = 3, 3
_MOST = 1 << 24


@contextmanager
def _benches() -> Iterator[list[Bench]]:
    with ExitStack() as stack:
        yield [stack.enter_context(bench(berths=BERTHS)) for _ in range(REPLICAS)]


class Scene:
    """A watcher's engine and its replicas on this thread: they work and report whenever the engine waits."""

    def __init__(self, room: Path, benches: list[Bench]) -> None:
        self.room, self.benches = room, benches
        self.trail = Trail(FolderPlace(room / "shared"))
        self.copies = SharedCopies(self.trail.place)
        self.own = Store(room / "own", reserve_bytes=0)
        self.clock = Clock()
        term = Term.begin(self.trail, "w")
        limits = Limits(60.0, 6.0, 100.0, BERTHS)
        outside = Outside(self._admit, self._send, lambda name: None, on_wait=self.turn)
        self.fleet = Fleet(1, term.now, limits, self.clock)
        self.engine = FleetEngine(Changes(self.fleet, term, self.clock), outside, 30.0, 0.0)
        self.replicas = [self._replica(at, one) for at, one in enumerate(benches)]
        self.reader = Follower(self.trail)
        self.turn()

    def _replica(self, at: int, made: Bench) -> Replica:
        store = Store(self.room / f"r{at}", reserve_bytes=0)

        def fetch(digest: str) -> Path:
            return self.copies.fetch(digest, store, _MOST).path

        return Replica(Held(f"r{at}"), ResidentEngine(made.engine), fetch, Follower(self.trail))

    def _admit(self, path: Path) -> object:
        return self.benches[0].resident.admit(path)

    def _send(self, digest: str) -> None:
        found = self.own.find(digest)
        assert found is not None
        self.copies.send(found)

    def turn(self) -> None:
        for replica in self.replicas:
            while replica.step():
                pass
            replica.obey(self.engine.hear(replica.report()))

    def admitted(self, index: int) -> Admitted:
        with self.own.stage() as stage:
            for name in (CONFIG, WEIGHTS):
                stage.write(name, [(adapter(index) / name).read_bytes()], _MOST)
            artifact = stage.commit()
        return self.engine.admit(artifact.path, artifact.digest)

    def verified(self, index: int) -> Staged:
        staged = self.engine.stage(self.admitted(index), Patient())
        decide(self.engine.verify(staged, Subject("uri", self.room), Patient()))
        return staged

    def live(self, index: int, number: int, name: str = "default") -> None:
        for one in self.benches:
            one.made[number] = index
        staged = self.verified(index)
        with self.engine.route(staged, number, name):
            pass
        self.engine.drop(staged)

    def answers(self, name: str = "default") -> list[bool]:
        """Ask every replica as an ingress does; report whether each answers as what the pointer names."""
        number, digest = self.reader.look().answers(name)
        assert all(one.may_answer(number, digest) for one in self.replicas)
        return [one.right(*one.ask(SHORT_ASK, generation=number), SHORT_ASK) for one in self.benches]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with _benches() as benches:
        yield Scene(tmp_path, benches)


@pytest.mark.slow
def test_every_replica_answers_with_what_the_pointer_names(scene: Scene) -> None:
    assert scene.answers() == [True] * REPLICAS
    scene.live(0, 1)
    assert scene.answers() == [True] * REPLICAS
    scene.live(1, 2, "other")
    assert scene.answers("default") == scene.answers("other") == [True] * REPLICAS


@pytest.mark.slow
def test_more_adapters_than_berths_follow_one_another(scene: Scene) -> None:
    for number in range(1, 6):
        scene.live(number % 4, number)
        assert scene.answers() == [True] * REPLICAS
        scene.clock.advance(7.0)  # no ingress reports: nobody needs what was live before
        scene.engine.tick()
        scene.turn()
    assert all(len(one.engine.rows.generations()) <= BERTHS + 1 for one in scene.benches)


@pytest.mark.slow
def test_the_same_bytes_under_several_numbers_leave_no_berth_behind(scene: Scene) -> None:
    """Two channels take turns with the same two adapters, on three berths."""
    for number in range(1, 13):
        scene.live((number - 1) // 2 % 2, number, "ab"[number % 2])
        assert scene.answers("ab"[number % 2]) == [True] * REPLICAS
        scene.clock.advance(7.0)
        scene.engine.tick()
        scene.turn()


@pytest.mark.slow
def test_a_request_under_way_ends_with_its_generation(scene: Scene) -> None:
    scene.live(0, 1)
    held, made = HeldAnswer(), scene.benches[0]
    ticket, _ = made.ask(SHORT_ASK, 24, generation=1, hear=held)
    assert held.begun.wait(60.0)
    held.let_go.set()
    scene.live(1, 2)
    assert made.right(ticket, held, SHORT_ASK, 24)
    assert scene.answers() == [True] * REPLICAS


def refuse(*_: object) -> None:
    raise RolledBack("probe_not_finite", "a probe prompt gives NaN")


@pytest.mark.slow
def test_a_refusal_by_most_replicas_leaves_everything_as_it_was(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.live(0, 1)
    with monkeypatch.context() as patch:
        for at in (1, 2):
            patch.setattr(scene.benches[at].resident, "verify", refuse)
        with pytest.raises(RolledBack, match="r1: a probe prompt gives NaN"):
            scene.verified(1)
    assert scene.answers() == [True] * REPLICAS
    assert [one.name for one in scene.engine.members()] == ["r0", "r1", "r2"]


@pytest.mark.slow
def test_a_replica_that_alone_refuses_an_adapter_twice_is_out_and_what_is_live_stays(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter passes without it, once somebody asks; its fence still lets through what it had verified."""
    scene.live(0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(scene.benches[2].resident, "verify", refuse)
        with pytest.raises(RolledBack, match="r2: a probe prompt gives NaN"):
            scene.verified(1)
        assert [one.name for one in scene.engine.members()] == ["r0", "r1"]
        scene.engine.drop(scene.verified(1))
    assert scene.answers() == [True] * REPLICAS
    assert scene.reader.now.answers("default")[0] == 1


@pytest.mark.slow
def test_the_fence_lets_nothing_through_that_was_not_verified_here(scene: Scene) -> None:
    scene.live(0, 1)
    _, digest = scene.reader.look().answers("default")
    one = scene.replicas[0]
    assert one.may_answer(0, BASE_DIGEST)
    assert not one.may_answer(1, "f" * 64)
    assert not one.may_answer(2, digest)
    with pytest.raises(NoGeneration):
        scene.benches[0].ask(SHORT_ASK, generation=2)


@pytest.mark.slow
def test_a_new_replica_is_whole_when_it_holds_what_the_pointer_names(scene: Scene) -> None:
    scene.live(0, 1)
    with bench(berths=BERTHS) as made:
        made.made[1] = 0
        late = scene._replica(9, made)
        assert not late.await_whole(0.0)
        while late.step():
            pass
        assert late.await_whole(0.0)
        assert made.right(*made.ask(SHORT_ASK, generation=1), SHORT_ASK)


@pytest.mark.slow
def test_bytes_that_are_gone_are_asked_for_again(scene: Scene) -> None:
    """The shared place loses them; a replica that lacks them waits, and takes them when they are there again."""
    scene.live(0, 1)
    _, digest = scene.reader.look().answers("default")
    with bench(berths=BERTHS) as made:
        late = scene._replica(9, made)
        shutil.move(scene.room / "shared" / "adapters", scene.room / "away")
        while late.step():
            pass
        assert not late.is_whole()
        assert late.sick() == ""
        shutil.move(scene.room / "away", scene.room / "shared" / "adapters")
        late._retried = 0.0
        while late.step():
            pass
        assert late.may_answer(1, digest)
