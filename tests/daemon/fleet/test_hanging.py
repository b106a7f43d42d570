"""A `fleet.shared` that hangs, as a network mount does: who has to wait for it, and who does not."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from kits.engines import FakeModel
from kits.fleet import Hanging, record
from kits.fleet_engine import FleetOverFakes
from kits.waiting import LONG, until

from hotswapd.daemon.engines.protocol import Admitted, Patient
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.beside import Told
from hotswapd.daemon.fleet.held import Held
from hotswapd.daemon.fleet.keeping import UnderWay
from hotswapd.daemon.fleet.pointed import Pointed
from hotswapd.daemon.fleet.replica import Replica
from hotswapd.daemon.fleet.rules import Rules
from hotswapd.daemon.fleet.shared.journal import SharedJournal
from hotswapd.daemon.fleet.shared.trail import Follower, Term, Trail
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.loaders.errors import Unavailable

_LIMIT = 0.05
"""Seconds in place of the usual two."""


@pytest.fixture
def place() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.go_on()


def hurried(waits: Any) -> None:
    """Let whatever looks at the place through this wait for less than usual."""
    waits._looking._limit = _LIMIT


def test_a_watcher_hears_everybody_while_it_writes_a_pointer(place: Hanging) -> None:
    """No report, no tick and no operator waits for it; then the pointer is written, and all follow it."""
    engine = FleetOverFakes(FakeModel(), place)
    hurried(engine)
    engine.contents["a" * 64] = b"good"
    staged = engine.stage(Admitted(cast("Any", None), "a" * 64), Patient())

    def change() -> None:
        with engine.route(staged, 1):
            place.hang()

    worker = threading.Thread(target=change)
    worker.start()
    assert place.entered.wait(LONG)
    before = engine.newest.serial
    report = engine.replicas[0].held.report()
    assert engine.hear(report).answering == {1: "a" * 64}
    assert engine.hear_ingress(UnderWay("i", 1, before)).serial == before
    engine.tick()
    assert [one.name for one in engine.members()] == ["r0", "r1"]
    assert engine.loaded()
    assert worker.is_alive()
    place.go_on()
    worker.join(LONG)
    assert engine.newest.answers("default") == (1, "a" * 64)
    assert engine.fleet.is_live("a" * 64)


def test_a_replica_does_everything_else_while_it_cannot_look(place: Hanging) -> None:
    ticks = [0]

    def tick() -> None:
        ticks[0] += 1

    replica = Replica(Held("r"), cast("Any", None), cast("Any", None), Follower(Trail(place)), tick)
    hurried(replica)
    place.hang()
    assert not replica.step()
    assert ticks == [1]
    assert place.entered.is_set()


def test_a_decision_does_not_wait_for_its_copy(place: Hanging, tmp_path: Any) -> None:
    """It is on the watcher's disk, `status` says so, and it goes where it must once that answers."""
    trail = Trail(place)
    journal = SharedJournal(trail, Term.begin(trail, "w").now.term)
    hurried(journal)
    ledger = Ledger(tmp_path / "ledger.sqlite", journal=journal)
    place.hang()
    ledger.flags.set("pinned", True)
    assert "on the watcher's disk alone: fleet.shared does not answer" in journal.trouble
    place.go_on()

    def is_there() -> bool:
        journal.publish()
        return not journal.trouble

    until(is_there, "the journal is behind")
    assert len(place.names("journal")) == 1


@pytest.fixture
def pointed(place: Hanging) -> Pointed:
    made = Pointed(Follower(Trail(place)))
    hurried(made)
    return made


def test_who_cannot_look_goes_by_the_watchers_word(place: Hanging, pointed: Pointed) -> None:
    """It knows what it has written; and never goes back, whatever is heard late."""
    term = Term.begin(Trail(place), "w")
    assert asyncio.run(pointed.fresh())
    older = term.now.next({"default": record(1)})
    newer = older.next({"default": record(2)})
    place.hang()
    assert not asyncio.run(pointed.fresh())
    pointed.tell(Told.of(newer, UnderWay("i", 1, pointed.now.serial), Rules()))
    assert pointed.now.answers("default")[0] == 2
    pointed.hear(older.dump().decode())
    assert pointed.now.answers("default")[0] == 2
    place.go_on()
    term.write(older)
    term.write(newer)
    term.write(newer.next({"default": record(3)}))
    until(lambda: asyncio.run(pointed.fresh()), "the place does not answer")
    assert pointed.now.answers("default")[0] == 3


def test_an_ingress_that_follows_the_newest_is_told_none(place: Hanging) -> None:
    now = Term.begin(Trail(place), "w").now
    assert Told.of(now, UnderWay("i", 1, now.serial), Rules()).newest == ""


def test_a_place_that_is_away_is_no_fresh_look(
    place: Hanging, pointed: Pointed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(name: str) -> bool:
        raise Unavailable(FleetCode.SHARED_DOWN, "the mount is gone")

    with monkeypatch.context() as patch:
        patch.setattr(place, "has", away)
        assert not asyncio.run(pointed.fresh())
    until(lambda: asyncio.run(pointed.fresh()), "the place does not answer")
