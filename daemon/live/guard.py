"""Automatic rollback, when the live generation's own requests show that it is bad."""

from dataclasses import dataclass, field

import structlog

from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.report.verdicts import log_verdict, record
from hotswapd.swap.gates.spec import Outcome, Verdict

from .going_live import Live
from .rollback import Rollback
from .watch import LiveWatch

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Guard:
    """Polls the watch, records its verdict, and rolls back. For the worker's thread."""

    watch: LiveWatch
    ledger: Ledger
    live: Live
    rollback: Rollback
    _due: list[Verdict] = field(default_factory=list)
    """The verdict whose rollback was not possible yet; at most one."""

    @property
    def waits(self) -> bool:
        """Whether a rollback is due that was not possible yet."""
        return bool(self._due)

    def poll(self) -> None:
        """Do what is due; what is not possible yet is tried at the next poll. Raises ResidentLost or LedgerDown."""
        if self._due:
            self._act(self._due.pop())
            return
        verdict = self.watch.judge()
        if verdict is None:
            return
        live = self.live.now
        log_verdict(verdict, generation=live.number, uri=live.uri, digest=live.digest)
        self._note(live, verdict)
        if verdict.outcome == Outcome.FAILED:
            self._act(verdict)

    def _act(self, verdict: Verdict) -> None:
        live = self.live.now
        if self.ledger.flags.pinned:
            log.error("pinned_though_bad", generation=live.number, code=verdict.code, detail=verdict.sentence)
            return
        try:
            back = self.rollback.by_itself(verdict.code, verdict.sentence)
        except Conflict as refusal:
            self._due.append(verdict)
            log.warning("rollback_waits", generation=live.number, code=refusal.code, detail=refusal.sentence)
            return
        log.warning("rolled_back", generation=back.number, bad=live.number, code=verdict.code, detail=verdict.sentence)

    def _note(self, live: Generation, verdict: Verdict) -> None:
        try:
            row = self.ledger.rows.get(live.swap_id)
        except KeyError:
            return  # the ledger was lost: only the pointer knows what is live
        self.ledger.amend(row, verify=(*row.verify, record(verdict)))
