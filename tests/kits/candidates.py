"""The daemon's own pipeline over a tiny model: adapters go from the store to live, or are refused, as in the daemon."""

from pathlib import Path

from hotswapd.daemon.ledger.generation import base_generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.candidate import Pipeline
from hotswapd.loaders.store.store import Store
from kits.adapters import CONFIG, WEIGHTS
from kits.lanes import Bench


class Daemon:
    """A ledger, a store and a pipeline; `offer` is for one thread."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self.bench = bench
        self.ledger = Ledger(directory / "ledger.sqlite")
        self.store = Store(directory / "store", reserve_bytes=0)
        base = base_generation("tiny", 0.0)
        self.pipeline = Pipeline(bench.engine, self.ledger, self.store, "policy", live=base)

    def offer(self, adapter: Path, index: int | None = None) -> Row:
        """Take an adapter through every step; its row says how that ended. `index` is what it is to the references."""
        row = self.ledger.add([Find("test", adapter.as_uri(), "r", 0.0, forced=True)])[0]
        row = self.ledger.fetched(row, self._copy(adapter), 0.0)
        number = self.ledger.generations.next_number()
        self.bench.made[number] = index  # before anybody can be answered by it
        ended = self.pipeline.run(row, pinned=False)
        if ended.state != State.LIVE:
            del self.bench.made[number]
        return ended

    def _copy(self, adapter: Path) -> str:
        with self.store.stage() as stage:
            for name in (CONFIG, WEIGHTS):
                stage.write(name, [(adapter / name).read_bytes()], 1 << 30)
            return stage.commit().digest
