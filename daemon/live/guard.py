"""Going back by itself, when the requests of the live generation say that it must."""

from dataclasses import dataclass

import structlog

from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.report.verdicts import log_verdict, record
from hotswapd.swap.gates.spec import Outcome, Verdict

from .rollback import Rollback
from .watch import LiveWatch

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Guard:
    """Looks at the watch, writes its verdict down, and rolls back. For the worker's thread."""

    watch: LiveWatch
    ledger: Ledger
    rollback: Rollback
    _pending: Verdict | None = None

    @property
    def waits(self) -> bool:
        """Whether a rollback is due and could not be done yet."""
        return self._pending is not None

    def look(self) -> None:
        """Do what is due now; what cannot be done yet is tried at the next look. Raises ResidentLost or LedgerDown."""
        live = self.rollback.pipeline.live
        verdict = self._pending or self.watch.judge()
        if verdict is None:
            return
        if self._pending is None:
            log_verdict(verdict, generation=live.number, uri=live.uri, digest=live.digest)
            self._note(live.swap_id, verdict)
        self._pending = None
        if verdict.outcome == Outcome.FAILED:
            self._act(verdict)

    def _act(self, verdict: Verdict) -> None:
        live = self.rollback.pipeline.live
        if self.ledger.flags.pinned:
            log.error("pinned_though_bad", generation=live.number, code=verdict.code, detail=verdict.sentence)
            return
        try:
            back = self.rollback.by_itself(verdict.code, verdict.sentence)
        except Conflict as refusal:
            self._pending = verdict
            log.warning("rollback_waits", generation=live.number, code=refusal.code, detail=refusal.sentence)
            return
        log.warning("rolled_back", generation=back.number, bad=live.number, code=verdict.code, detail=verdict.sentence)

    def _note(self, swap_id: str, verdict: Verdict) -> None:
        try:
            row = self.ledger.rows.get(swap_id)
        except KeyError:
            return  # the ledger was lost, and what is live is known from the pointer alone
        self.ledger.amend(row, verify=(*row.verify, record(verdict)))
