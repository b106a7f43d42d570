"""The engine in this process on a tiny model: adapters are staged and made live through the daemon's protocol."""

from hotswapd.daemon.engines.protocol import Patient, Staged
from hotswapd.daemon.engines.resident import ResidentEngine
from kits.rows import Bench, adapter, digest_of


def stage(engine: ResidentEngine, index: int) -> Staged:
    """Stage one of the adapters; the caller holds it."""
    return engine.stage(engine.admit(adapter(index), digest_of(index)), Patient())


def go_live(made: Bench, engine: ResidentEngine, index: int) -> int:
    """Take an adapter live as the daemon does, and give up the worker's hold; return its number."""
    number, staged = max(made.made) + 1, stage(engine, index)
    made.made[number] = index
    with engine.route(staged, number):
        pass
    engine.drop(staged)
    return number


def uses(engine: ResidentEngine) -> dict[int, str]:
    """Name what each loaded generation is there for."""
    return {one.number: one.use for one in engine.loaded()}
