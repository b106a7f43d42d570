"""More channels than berths, through the daemon's own pipeline on a tiny model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.candidates import Daemon
from kits.rows import SHORT_ASK, adapter, bench

from hotswapd.daemon.engines.protocol import Patient
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.ledger.ledger import RETIRES
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.restore import Restorer, pointed_at


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with bench(berths=2) as made:
        one = Daemon(made, tmp_path)
        one.engine.start()
        yield one
        one.engine.stop(10.0)


NAMES = ("a", "b", "c", "d")


def fill(daemon: Daemon) -> None:
    for index, name in enumerate(NAMES):
        assert daemon.offer(adapter(index), index, channel=name).state == State.LIVE


def right(daemon: Daemon, name: str) -> bool:
    made = daemon.bench
    ticket, heard = made.ask(SHORT_ASK, name=name)
    return ticket.channel == name and made.right(ticket, heard, SHORT_ASK)


def test_a_candidate_takes_the_berth_of_what_nobody_asks_for(daemon: Daemon) -> None:
    """Four channels go live on two berths, and each answers with its own adapter, staged again from the store."""
    fill(daemon)
    assert [daemon.channels.of(name).live.now.number for name in NAMES] == [1, 2, 3, 4]
    assert all(right(daemon, name) for name in ("a", "d", "b", "c", "a"))
    berths = {one.number: one.names for one in daemon.engine.loaded() if one.berth is not None}
    assert len(berths) == 2


def test_bytes_that_were_damaged_are_not_answered_with(daemon: Daemon) -> None:
    """Whoever waits is told; the others go on."""
    fill(daemon)
    digest = daemon.channels.of("a").live.now.digest
    daemon.bench.engine.host.forget(digest)  # it was parked in memory, which is full now
    artifact = daemon.store.find(digest)
    assert artifact is not None
    weights = artifact.path / "adapter_model.safetensors"
    weights.chmod(0o600)
    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    _, heard = daemon.bench.ask(SHORT_ASK, name="a")
    assert heard.wait().finish == "error"
    assert right(daemon, "b")


def test_a_start_brings_back_what_has_room_and_parks_the_rest(daemon: Daemon, tmp_path: Path) -> None:
    """With what the first process has left, on a model of its own."""
    fill(daemon)
    daemon.ledger.close()
    with bench(berths=2) as fresh:
        again = Daemon(fresh, tmp_path)
        again.engine.start()
        fresh.made |= daemon.bench.made
        for name in NAMES:
            live = again.channels.of(name).live
            restorer = Restorer(live, again.engine, again.ledger, again.store, lambda _: None)
            restorer.restore(pointed_at(again.store, name))
        assert [again.channels.of(name).live.now.number for name in NAMES] == [1, 2, 3, 4]
        assert [number for number, _ in fresh.rows.parked()] == [3, 4]
        assert all(right(again, name) for name in NAMES)
        again.engine.stop(10.0)


def test_a_rollback_of_what_is_parked_stages_it_again(daemon: Daemon) -> None:
    fill(daemon)
    assert daemon.offer(adapter(3), 3, channel="a").state == State.LIVE
    rollback = daemon.channels.of("a").rollback
    assert rollback.run(rollback.target(None), RETIRES).number == 1
    assert right(daemon, "a")


def test_an_engine_without_a_store_says_so(daemon: Daemon) -> None:
    """An embedder that parks must be able to bring back."""
    engine = ResidentEngine(daemon.bench.engine)
    staged = engine.stage(engine.admit(adapter(0), "ab" * 32), Patient())
    assert engine.room()
    assert engine.spare()
    engine.drop(staged)
