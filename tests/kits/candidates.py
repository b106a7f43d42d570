"""The daemon's own pipeline over a tiny model: adapters go from the store to live, or are refused, as in the daemon."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hotswapd.daemon.channels.channel import Making
from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.config.current import Current
from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.tables import Model
from hotswapd.daemon.engines.protocol import Staged
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.ledger.generation import Generation, base_generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.candidate import Candidates
from hotswapd.daemon.service.copies import held_copy
from hotswapd.loaders.store.store import Store
from kits.folders import CONFIG, WEIGHTS
from kits.rows import Bench


class _Alone:
    """Nothing is ever urgent."""

    def give_way(self, channel: str = "") -> None:
        """Do nothing."""

    def rest(self, seconds: float, channel: str = "") -> None:
        """Wait."""
        time.sleep(seconds)


class Daemon:
    """A ledger, a store and a pipeline; `offer` is for one thread."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self.bench = bench
        self.ledger = Ledger(directory / "ledger.sqlite")
        self.store = Store(directory / "store", reserve_bytes=0)
        self.engine = ResidentEngine(bench.engine, partial(held_copy, self.store))
        self.on_live: Callable[[Generation], None] = lambda live: None
        base = base_generation("tiny", 0.0)
        current, nothing = Current(Settings(model=Model(base="tiny"))), lambda *_: None
        at = self.engine, self.ledger, self.store, current, base
        self.channels = channels = Channels(Making(*at, lambda _: self, nothing, nothing, time.monotonic))
        self.going, self.rollback = channels.of("default").live, channels.of("default").rollback
        self.candidates = Candidates(self.engine, self.ledger, self.store, Policy("policy"), channels)

    @property
    def live(self) -> Generation:
        return self.going.now

    def went_live(self, live: Generation, staged: Staged, pause: float | None) -> None:
        """Note what is live."""
        self.on_live(live)

    def offer(self, adapter: Path, index: int | None = None, channel: str = "default") -> Row:
        """Take an adapter through every step; its row says how that ended. `index` is what it is to the references."""
        row = self.ledger.add([Find("test", adapter.as_uri(), "r", 0.0, forced=True, channel=channel)])[0]
        row = self.ledger.fetched(row, self._copy(adapter), 0.0)
        number = self.going.next_number()
        self.bench.made[number] = index  # before anybody can be answered by it
        ended = self.run(row)
        if ended.state != State.LIVE:
            del self.bench.made[number]
        return ended

    def run(self, row: Row) -> Row:
        """Try a candidate that is in the store."""
        return self.candidates.run(row, _Alone(), pinned=False)

    def _copy(self, adapter: Path) -> str:
        with self.store.stage() as stage:
            stage.write(CONFIG, [(adapter / CONFIG).read_bytes()], 1 << 30)
            stage.write(WEIGHTS, [(adapter / WEIGHTS).read_bytes()], 1 << 30)
            return stage.commit().digest
