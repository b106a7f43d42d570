"""The daemon's read-only answers: status, history, actions, metrics, and what the status page shows."""

from dataclasses import dataclass

from hotswapd.daemon.answers import Action, HistoryRow, Overview, Status
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.pipeline.sources import Sources
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.picture import Pictures
from hotswapd.daemon.report.replicas import replica_metrics

from .ledger_needed import ledger_needed
from .overview import overview
from .standing import Standing
from .status import status


@dataclass(frozen=True, slots=True)
class Views:
    """Every method is legal on any thread. `history` and `actions` raise NotReady while the ledger is down."""

    standing: Standing
    ledger: Ledger
    sources: Sources
    pictures: Pictures
    metrics: Metrics

    def status(self, channel: str | None = None) -> Status:
        """Return what ``GET /status`` answers, about one channel or about all."""
        return status(self.standing, self.ledger, self.sources, channel)

    def overview(self) -> Overview:
        """Return what the status page shows."""
        return overview(self.status(), self.ledger, self.pictures.shown)

    def history(self, limit: int, channel: str | None = None) -> list[HistoryRow]:
        """Return at most `limit` swaps, newest first, of one channel or of all."""
        with ledger_needed():
            return [row.history() for row in self.ledger.rows.history(limit, channel)]

    def actions(self, limit: int) -> list[Action]:
        """Return at most `limit` things that operators asked for, newest first, with who asked and what came of it."""
        with ledger_needed():
            return self.ledger.actions.newest(limit)

    def exposition(self) -> bytes:
        """Return what ``GET /metrics`` answers, in Prometheus' text format."""
        part = self.standing.part
        rollouts = {one.name: one.rollout for one in part.shown(part.names()) if one.rollout is not None}
        shown = self.metrics.text(part.loaded() if self.standing.is_working else None, rollouts)
        return shown + replica_metrics(part.replicas(), part.replaced())
