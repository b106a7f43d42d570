"""The engine in this process, on a real model: what lies in which berth, and what becomes of it."""

from collections.abc import Iterator

import pytest
from kits.engine_room import go_live, stage, uses
from kits.rows import LONG, SHORT_ASK, Bench, Held, bench

from hotswapd.daemon.engines.protocol import Loaded, NoRoom
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.swap.rows.ended import Ended

BERTHS = 3


@pytest.fixture
def made() -> Iterator[Bench]:
    with bench(berths=BERTHS) as opened:
        yield opened


@pytest.fixture
def engine(made: Bench) -> ResidentEngine:
    return ResidentEngine(made.engine)


def test_what_is_loaded_has_its_use(made: Bench, engine: ResidentEngine) -> None:
    """The base needs no berth; what was live before keeps its own, and is found there."""
    assert engine.loaded() == [Loaded(0, "0" * 64, names=("default",), use="live")]
    first, second = go_live(made, engine, 0), go_live(made, engine, 1)
    candidate = stage(engine, 2)
    assert uses(engine) == {second: "live", first: "previous", -1: "candidate"}
    assert len({one.berth for one in engine.loaded()}) == BERTHS
    engine.drop(candidate)
    assert uses(engine) == {second: "live", first: "previous"}
    found = engine.find(first)
    assert found is not None
    with engine.route(found, first):
        pass
    engine.drop(found)
    assert uses(engine) == {first: "live", second: "previous"}
    assert made.right(*made.ask(SHORT_ASK), SHORT_ASK)


def test_a_retired_generation_drains_in_its_berth(made: Bench, engine: ResidentEngine) -> None:
    first = go_live(made, engine, 0)
    held = Held()
    ticket, _ = made.ask(SHORT_ASK, 40, hear=held)
    assert held.begun.wait(LONG)
    go_live(made, engine, 1)
    (draining,) = (one for one in engine.loaded() if one.use == "draining")
    assert (draining.number, draining.active, draining.waiting) == (first, 1, 0)
    held.let_go.set()
    assert made.right(ticket, held, SHORT_ASK, 24)
    assert uses(engine)[first] == "previous"


def test_a_generation_beside_the_live_one_is_scored_until_it_is_closed(made: Bench, engine: ResidentEngine) -> None:
    """Its requests are those that name it; of every token the log-probability is counted meanwhile."""
    ended: list[Ended] = []
    made.rows.on_request_end = ended.append
    go_live(made, engine, 0)
    canary = stage(engine, 1)
    made.made[7] = 1
    engine.open(canary, 7)
    engine.drop(canary)
    assert uses(engine)[7] == "canary"
    assert made.right(*made.ask(SHORT_ASK, generation=7), SHORT_ASK)
    engine.close(7)
    assert uses(engine)[7] == "previous"
    assert made.right(*made.ask(SHORT_ASK), SHORT_ASK)
    assert [one.logprob is None for one in ended] == [False, True]


def test_with_every_berth_held_there_is_no_room(made: Bench, engine: ResidentEngine) -> None:
    """What is kept for a quick return makes room, and so does what is live and idle; what is held or busy does not."""
    go_live(made, engine, 0)
    go_live(made, engine, 1)
    held = [stage(engine, index) for index in (2, 3)]
    assert engine.room()
    busy = Held()
    ticket, _ = made.ask(SHORT_ASK, hear=busy)
    assert busy.begun.wait(LONG)
    assert not engine.room()
    with pytest.raises(NoRoom, match="every berth is in use"):
        stage(engine, 0)
    assert engine.find(1) is None
    busy.let_go.set()
    assert made.right(ticket, busy, SHORT_ASK)
    for one in held:
        engine.drop(one)
    assert engine.room()


def test_it_describes_the_model_and_its_berths(engine: ResidentEngine) -> None:
    said = engine.describe()
    assert (said["berths"], said["device"], said["dtype"], said["one_at_a_time"]) == (BERTHS, "cpu", "float32", None)
    assert said["berth_bytes"] > 0
    assert said["cache_tokens"] >= 448
    assert said["recompiles"] == 0


def test_several_names_change_at_one_moment(made: Bench, engine: ResidentEngine) -> None:
    """A body that raises changes none of them; one that ends well changes all."""
    staged = {name: stage(engine, index) for index, name in enumerate(("sales", "support"))}
    routes = [(one, number, name) for number, (name, one) in enumerate(staged.items(), 1)]

    class Refused(Exception):
        pass

    with pytest.raises(Refused), engine.route_together(routes):
        raise Refused
    assert [name for loaded in engine.loaded() for name in loaded.names] == ["default"]
    with engine.route_together(routes) as routed:
        pass
    assert {name: loaded.number for loaded in engine.loaded() for name in loaded.names} == {
        "default": 0,
        "sales": 1,
        "support": 2,
    }
    assert 0.0 < routed.pause < 1.0
    assert [one.number for one in staged.values()] == [1, 2]
    for one in staged.values():
        engine.drop(one)
