"""The engine of a watcher, beyond what it shares with every other engine: terms, pointers, starts."""

from dataclasses import replace
from pathlib import Path

import pytest
from kits.engines import FakeModel
from kits.fleet_engine import FleetOverFakes
from kits.folders import CONFIG, WEIGHTS
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from hotswapd.daemon.engines.protocol import Loaded, NoRoom, Patient, Staged, Subject, decide
from hotswapd.daemon.fleet.roll import Lost
from hotswapd.daemon.fleet.shared.trail import Follower, Term
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.swap.errors import Interrupted, ResidentLost, RolledBack
from hotswapd.swap.gates.spec import Verdict


class Noting(Patient):
    def __init__(self) -> None:
        self.said: list[Verdict] = []

    def verdict(self, verdict: Verdict, member: str = "") -> None:
        self.said.append(verdict)


class Scene:
    def __init__(self, room: Path) -> None:
        self.room = room
        self.model = FakeModel()
        self.engine = FleetOverFakes(self.model)
        self.reader = Follower(self.engine.replicas[0].follower._trail)

    def admitted(self, number: int, content: bytes = b"good") -> Staged:
        directory = self.room / str(number)
        directory.mkdir()
        (directory / CONFIG).write_bytes(b"{}")
        (directory / WEIGHTS).write_bytes(content)
        return self.engine.stage(self.engine.admit(directory, f"{number:064d}"), Patient())

    def live(self, number: int, name: str = "default") -> Staged:
        staged = self.admitted(number)
        decide(self.engine.verify(staged, Subject("uri", self.room), Patient()))
        with self.engine.route(staged, number, name):
            pass
        self.engine.drop(staged)
        return staged

    def named(self, name: str = "default") -> int:
        return self.reader.look().answers(name)[0]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_the_pointer_moves_after_the_body_and_only_if_that_ends_well(scene: Scene) -> None:
    staged = scene.admitted(1)
    with scene.engine.route(staged, 1):
        assert scene.named() == 0
    assert scene.named() == 1
    other = scene.admitted(2)
    with pytest.raises(RuntimeError, match="disk"), scene.engine.route(other, 2):
        raise RuntimeError("disk")
    assert scene.named() == 1
    assert 2 not in scene.engine.fleet.answering()


def test_every_replica_answers_for_it_before_the_pointer_names_it(scene: Scene) -> None:
    staged = scene.admitted(1)
    decide(scene.engine.verify(staged, Subject("uri", scene.room), Patient()))
    with scene.engine.route(staged, 1):
        assert all(one.held.may_answer(1, staged.digest) for one in scene.engine.replicas)


def test_one_replicas_refusal_is_named(scene: Scene) -> None:
    staged = scene.admitted(1, b"sick")
    with pytest.raises(RolledBack, match="r0: a probe prompt gives NaN"):
        decide(scene.engine.verify(staged, Subject("uri", scene.room), Patient()))
    scene.engine.drop(staged)
    scene.engine.work()
    scene.engine.work()
    assert not [task for one in scene.engine.replicas if (task := one.held.next())]
    assert scene.engine.fleet.orders.trials == ()


def test_a_watcher_whose_term_is_over_ends_and_routes_nothing(scene: Scene) -> None:
    scene.live(1)
    Term.begin(scene.engine.replicas[0].follower._trail, "another")
    staged = scene.admitted(2)
    with pytest.raises(ResidentLost, match="another watcher"), scene.engine.route(staged, 2):
        pass
    assert scene.named() == 1
    with pytest.raises(ResidentLost):
        scene.engine.tick()


def test_a_term_that_ends_within_the_body_moves_nothing(scene: Scene) -> None:
    """The ledger says that it is live, the pointer does not: the watcher ends, and the next one goes by the pointer."""
    scene.live(1)
    staged = scene.admitted(2)
    with pytest.raises(ResidentLost), scene.engine.route(staged, 2):
        Term.begin(scene.engine.replicas[0].follower._trail, "another")
    assert scene.named() == 1


def test_several_go_live_with_one_pointer(scene: Scene) -> None:
    first, second = scene.admitted(1), scene.admitted(2)
    serial, shown = scene.reader.look().serial, list[str]()
    with scene.engine.route_together([(first, 1, "a"), (second, 2, "b")]) as routed:
        routed.then = lambda: shown.append("then")
    assert (scene.named("a"), scene.named("b"), scene.reader.now.serial, shown) == (1, 2, serial + 1, ["then"])


def test_what_is_live_already_is_not_tried_again_at_a_start(scene: Scene) -> None:
    live = scene.live(1)
    touched, serial = list(scene.model.touched), scene.reader.look().serial
    staged = scene.engine.stage(scene.engine.admit(scene.room / "1", live.digest), Patient())
    decide(scene.engine.check(staged))
    with scene.engine.route(staged, 1):
        pass
    assert scene.model.touched == touched
    assert scene.reader.look().serial == serial
    scene.engine.park(1, live.digest, "default")
    with pytest.raises(NoRoom):
        scene.engine.park(2, live.digest, "default")


def test_what_is_beside_the_live_one_keeps_its_number_for_ever(scene: Scene) -> None:
    scene.live(1)
    canary = scene.admitted(5)
    scene.engine.open(canary, 5)
    assert scene.reader.look().highest == 5
    assert {one.number: one.use for one in scene.engine.loaded()} == {0: "live", 1: "live", 5: "canary"}
    scene.engine.close(5)


def test_replicas_and_ingresses_are_told_the_swap_id_of_a_change(scene: Scene) -> None:
    """With what is tried and with what is opened, so that the logs of all processes can be read as one."""
    with bound_contextvars(swap_id="s7"):
        staged = scene.admitted(1)
        assert [trial.swap_id for trial in scene.engine.orders.trials] == ["s7"]
        decide(scene.engine.verify(staged, Subject("uri", scene.room), Patient()))
        with scene.engine.route(staged, 1):
            pass
    assert scene.engine.orders.swaps == {1: "s7"}
    with bound_contextvars(swap_id="another"):
        scene.engine.fleet.forget(1)  # it is live, and stays
    assert scene.engine.orders.swaps == {1: "s7"}


def test_what_is_loaded_has_the_requests_of_all_replicas(scene: Scene) -> None:
    """So that one daemon's numbers, and what a dashboard makes of them, are the fleet's."""
    scene.live(1)
    for at, replica in enumerate(scene.engine.replicas):
        report = replica.held.report()
        said = (Loaded(0, BASE_DIGEST, 1, 0), Loaded(1, report.answering[1], 2 + at, 4))
        scene.engine.hear(replace(report, loaded=said))
    found = [(one.number, one.use, one.active, one.waiting) for one in scene.engine.loaded()]
    assert found == [(0, "live", 2, 0), (1, "live", 5, 8)]


def test_a_channel_that_is_removed_is_answered_by_no_adapter(scene: Scene) -> None:
    scene.live(1, "a")
    scene.engine.unroute("a")
    scene.engine.unroute("a")
    assert scene.named("a") == 0


def test_a_try_that_is_interrupted_is_ended_on_every_replica(scene: Scene) -> None:
    class Impatient(Patient):
        def rest(self, seconds: float) -> None:
            raise Interrupted("rollback", "an operator goes back")

    for replica in scene.engine.replicas:
        replica.work = lambda engine: None  # type: ignore[method-assign] # they do nothing from now on
    directory = scene.room / "x"
    directory.mkdir()
    (directory / WEIGHTS).write_bytes(b"good")
    with pytest.raises(Interrupted):
        scene.engine.stage(scene.engine.admit(directory, "f" * 64), Impatient())
    assert scene.engine.fleet.orders.trials == ()


def test_a_bad_card_is_named_in_status_log_and_history(scene: Scene) -> None:
    """The replica that asks the model is the only one of three that finds it unfit; without it the adapter passes."""
    scene.engine.add_replica()
    staged = scene.admitted(1, b"sick")
    caller = Noting()
    with pytest.raises(RolledBack, match="r0"):
        decide(scene.engine.verify(staged, Subject("uri", scene.room), caller))
    assert [(one.gate, one.outcome, one.code) for one in caller.said][-1] == ("replicas", "warned", "replica_odd")
    assert "refused twice by r0" in caller.said[-1].sentence
    scene.engine.drop(staged)
    gone: list[Lost] = []
    scene.engine._outside = replace(scene.engine._outside, replace=gone.append)
    with capture_logs() as logs:
        scene.engine.tick()
    assert [one.member for one in gone] == ["r0"]
    assert [(one["event"], one["member"], one["code"]) for one in logs] == [("replica_replaced", "r0", "replica_odd")]
    status = scene.engine.replaced()
    assert status["counts"] == {"replica_late": 0, "replica_unfit": 0, "replica_odd": 1}
    assert "look at the device" in status["last"][0]["sentence"]
    again = scene.engine.stage(scene.engine.admit(scene.room / "1", staged.digest), Patient())
    decide(scene.engine.verify(again, Subject("uri", scene.room), Noting()))
