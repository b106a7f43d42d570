"""The engine with so many berths and many channels, all of them live: what has no berth is parked."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hotswapd.daemon.bench.mixing.house import sizes
from hotswapd.daemon.bench.peft_ways import twin
from hotswapd.daemon.bench.scene import Scene
from hotswapd.daemon.engines.protocol import Patient
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.resident import DTYPE_NAMES, Resident
from hotswapd.swap.rows.spec import EngineSpec
from hotswapd.swap.rows.tickets import Place, Ticket

from .traffic import CLIENTS, Played, Wanted, name_of, play

MOST = 16
"""Requests at once, at most, in one batch."""


@dataclass(frozen=True, slots=True)
class Berthed:
    """An engine that answers for every channel."""

    engine: Engine
    served: ResidentEngine
    tokens: int

    def play(self, piece: Sequence[Wanted]) -> Played:
        """Answer a piece of the trace."""
        return play(self.engine, piece, self.tokens, _at_hand)

    @property
    def held(self) -> int:
        """Bytes that adapters take: berths, and host memory for what is parked."""
        return int(self.engine.resident.berths.memory.nbytes) + self.engine.host.held


def _at_hand(ticket: Ticket) -> bool:
    """Tell whether a request that was just sent found its channel in a berth."""
    return isinstance(ticket.place, Place)


@contextmanager
def berthed(
    scene: Scene, base: Any, adapters: Sequence[Path], berths: int, host: int | None = None
) -> Iterator[Berthed]:
    """Open an engine on a twin of the base, and make each adapter live in a channel of its own, from number 1 on.

    `host` are the bytes of host memory for what is parked; None leaves them as they are usually.
    """
    oracle = MetaOracle(base.model.config)
    contract = Contract(("*",), oracle.slots, min(scene.preset.ranks), DTYPE_NAMES[base.dtype])
    resident = Resident(replace(base, model=twin(base.model)), contract, oracle, berths=berths)
    engine = Engine(resident, _sizes(scene, host))
    digests = {f"{number:064x}": place for number, place in enumerate(adapters, start=1)}
    engine.open()

    def copies(digest: str) -> AbstractContextManager[Path]:
        return nullcontext(digests[digest])

    served = ResidentEngine(engine, copies)
    served.start()
    try:
        for number, (digest, place) in enumerate(digests.items(), start=1):
            go_live(served, digest, place, number)
        yield Berthed(engine, served, scene.preset.tokens)
    finally:
        served.stop(60.0)
        engine.close(60.0)
        resident.close()


def go_live(served: ResidentEngine, digest: str, place: Path, number: int) -> None:
    """Make an adapter live in its channel, as the daemon does, gates left out."""
    staged = served.stage(served.admit(place, digest), Patient())
    try:
        with served.route(staged, number, name_of(number)):
            pass
    finally:
        served.drop(staged)


def _sizes(scene: Scene, host: int | None) -> EngineSpec:
    context = scene.preset.prompt + scene.preset.tokens
    spec = replace(sizes(scene, 2 * MOST * context, context), max_queue=2 * CLIENTS)
    return spec if host is None else replace(spec, host_bytes=host)
