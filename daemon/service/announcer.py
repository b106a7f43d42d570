"""Those who follow what is live: the metrics, the watch, and the pictures on the status page."""

from dataclasses import dataclass

from hotswapd.daemon.engines.protocol import Engine, Staged
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.picture import Pictures


@dataclass(frozen=True, slots=True)
class Announcer:
    """The listener of `Live`, on the worker's thread."""

    engine: Engine
    metrics: Metrics
    watch: LiveWatch
    pictures: Pictures

    def went_live(self, live: Generation, staged: Staged, pause: float | None) -> None:
        """Pass it on. It must not raise: a swap does not fail because of its announcement."""
        if pause is not None:
            self.metrics.paused(pause)
        self.watch.began(live.number, live.since)
        self.metrics.live(live.number, live.uri, live.digest, live.channel)
        if live.channel == DEFAULT:  # the page compares it with what this channel had before, and shows no other's
            self.pictures.went_live(live.number, live.digest, lambda: self.engine.norms(staged))
