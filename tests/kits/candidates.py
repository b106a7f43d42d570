"""The daemon's own pipeline over a tiny model: adapters go from the store to live, or are refused, as in the daemon."""

from collections.abc import Callable
from pathlib import Path

from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.engines.protocol import Patient, Staged
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.ledger.generation import Generation, base_generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.going_live import Live
from hotswapd.daemon.live.rollback import Rollback
from hotswapd.daemon.pipeline.candidate import Candidates
from hotswapd.daemon.rollout.beside import Beside
from hotswapd.daemon.rollout.rollouts import Rollouts
from hotswapd.daemon.rollout.traffic import Traffic
from hotswapd.loaders.store.store import Store
from kits.folders import CONFIG, WEIGHTS
from kits.rows import Bench


class Daemon:
    """A ledger, a store and a pipeline; `offer` is for one thread."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self.bench = bench
        self.ledger = Ledger(directory / "ledger.sqlite")
        self.store = Store(directory / "store", reserve_bytes=0)
        self.engine = ResidentEngine(bench.engine)
        self.on_live: Callable[[Generation], None] = lambda live: None
        base = base_generation("tiny", 0.0)
        beside = Beside(self.engine, self.ledger, Traffic())
        self.going = Live(self.engine, self.ledger, self.store, beside, base, self)
        rollouts = Rollouts(self.engine, self.ledger, Rollout(), self.going, beside)
        self.candidates = Candidates(self.engine, self.ledger, self.store, Policy("policy"), self.going, rollouts)
        self.rollback = Rollback(self.going, self.engine, self.ledger, self.store, base)

    @property
    def live(self) -> Generation:
        return self.going.now

    def went_live(self, live: Generation, staged: Staged, pause: float | None) -> None:
        """Note what is live."""
        self.on_live(live)

    def offer(self, adapter: Path, index: int | None = None) -> Row:
        """Take an adapter through every step; its row says how that ended. `index` is what it is to the references."""
        row = self.ledger.add([Find("test", adapter.as_uri(), "r", 0.0, forced=True)])[0]
        row = self.ledger.fetched(row, self._copy(adapter), 0.0)
        number = self.going.next_number()
        self.bench.made[number] = index  # before anybody can be answered by it
        ended = self.run(row)
        if ended.state != State.LIVE:
            del self.bench.made[number]
        return ended

    def run(self, row: Row) -> Row:
        """Try a candidate that is in the store."""
        return self.candidates.run(row, Patient(), pinned=False)

    def _copy(self, adapter: Path) -> str:
        with self.store.stage() as stage:
            stage.write(CONFIG, [(adapter / CONFIG).read_bytes()], 1 << 30)
            stage.write(WEIGHTS, [(adapter / WEIGHTS).read_bytes()], 1 << 30)
            return stage.commit().digest
