"""Automatic rollback, when the requests of what a channel has live show that it is bad."""

from dataclasses import dataclass, field

import structlog

from hotswapd.daemon.errors import Conflict, ErrorCode
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.report.verdicts import log_verdict, record
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.gates.spec import Outcome, Verdict

from .going_live import Live
from .rollback import Rollback
from .watch import LiveWatch

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Guard:
    """Polls the watch, rolls back, and records the verdict. For the worker's thread.

    A verdict outlives a ledger that cannot be written: it waits here until it is acted on and recorded.
    """

    watch: LiveWatch
    ledger: Ledger
    live: Live
    rollback: Rollback
    _due: list[Verdict] = field(default_factory=list)
    """The verdict whose rollback was not possible yet; at most one."""
    _notes: list[tuple[Generation, Verdict]] = field(default_factory=list)
    """Verdicts that are not in the ledger yet."""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to poll for: no window is open, and nothing is due or to be written."""
        return not (self._due or self._notes or self.watch.is_open or self.live.is_behind)

    @property
    def waits(self) -> bool:
        """Whether a rollback is due that was not possible yet."""
        return bool(self._due)

    def poll(self) -> None:
        """Do what is due; what is not possible yet is tried at the next poll. Raises ResidentLost or LedgerDown."""
        verdict = self._due.pop() if self._due else self._judged()
        if verdict is not None and verdict.outcome == Outcome.FAILED:
            self._act(verdict)
        try:
            self.live.catch_up()
        except Unavailable as error:
            log.warning("pointer_waits", detail=str(error))
            return
        while self._notes:
            self._record(*self._notes[0])
            self._notes.pop(0)

    def _judged(self) -> Verdict | None:
        verdict = self.watch.judge()
        if verdict is not None:
            live = self.live.now
            log_verdict(verdict, generation=live.number, uri=live.uri, digest=live.digest)
            self._notes.append((live, verdict))
        return verdict

    def _act(self, verdict: Verdict) -> None:
        live = self.live.now
        if self.ledger.flags.held("pinned", self.live.channel):
            log.error("pinned_though_bad", generation=live.number, code=verdict.code, detail=verdict.sentence)
            return
        try:
            back = self.rollback.by_itself(verdict.code, verdict.sentence)
        except (Conflict, LedgerDown) as refusal:
            self._due.append(verdict)
            code = refusal.code if isinstance(refusal, Conflict) else ErrorCode.LEDGER_DOWN
            log.warning("rollback_waits", generation=live.number, code=code, detail=str(refusal))
            return
        log.warning("rolled_back", generation=back.number, bad=live.number, code=verdict.code, detail=verdict.sentence)

    def _record(self, live: Generation, verdict: Verdict) -> None:
        found = live if live.swap_id else self.ledger.generations.get(live.number)
        try:
            row = self.ledger.rows.get(found.swap_id if found else "")
        except KeyError:
            return  # the ledger was lost: only the pointer knows what is live
        self.ledger.amend(row, verify=(*row.verify, record(verdict)))
