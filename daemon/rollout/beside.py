"""The generation beside the live one: how it comes, gives way and goes, on the engine and in the ledger.

The safe side wins: whatever comes between (a pin, a pause, a rollback, a restart) ends the canary, and what is live
stays live. No count outlives the process: after a restart the candidate begins again at the first step.
"""

import time

import structlog

from hotswapd.daemon.answers import VerdictRecord
from hotswapd.daemon.engines.protocol import Engine
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State

from .states import ByHand, Canary, End, Nothing, Standing, Unwritten
from .traffic import Traffic

log = structlog.get_logger(__name__)
INTERRUPTED = "what is live has changed while it was a canary; it begins again beside that"
_PAUSE = 30.0
"""Seconds that a canary waits after it gave way, so that what it gave way to gets its berth."""


class Beside:
    """At most one generation beside the live one. For the worker's thread. Every method may raise LedgerDown."""

    def __init__(self, engine: Engine, ledger: Ledger, traffic: Traffic) -> None:
        """Begin with nothing beside the live generation."""
        self._engine = engine
        self._ledger = ledger
        self._traffic = traffic
        self._now: Standing = Nothing()

    @property
    def now(self) -> Standing:
        """What is beside the live generation."""
        return self._now

    def begin(self, rollout: Canary | ByHand) -> None:
        """Put it beside the live generation. Raises NoRoom; nothing has changed then."""
        trial = rollout.trial
        self._engine.open(rollout.staged, trial.canary)
        self._now = rollout
        self._traffic.begin(trial)
        log.info("rollout_begun", live=trial.live, canary=trial.canary, share=trial.share, digest=rollout.staged.digest)

    def end(self, end: End) -> None:
        """Take its requests away at once, then write how a canary ended."""
        match self._now:
            case Canary() as canary:
                self._now = Unwritten(canary.swap_id, end, canary.notes)
                self._close(canary)
                self.write()
            case ByHand() as by_hand:
                self._now = Nothing()
                self._close(by_hand)

    def took_over(self) -> None:
        """Note that what was beside the live generation is the live one now."""
        self._traffic.end()
        self._now = Nothing()

    def give_way(self, number: int) -> None:
        """End it because generation `number` goes live, unless it is this generation."""
        if isinstance(self._now, Canary | ByHand) and self._now.trial.canary != number:
            self.end(End(State.HELD, Reason.INTERRUPTED, INTERRUPTED, {"next_try": time.time() + _PAUSE}))

    def write(self) -> None:
        """Write how a canary ended, unless that is done or another thread wrote another end."""
        if not isinstance(self._now, Unwritten):
            return
        due = self._now
        row = self._ledger.rows.get(due.swap_id)
        with self._ledger.together():
            if row.state == State.VERIFIED:
                row = self._with_notes(row, due.notes)
                self._ledger.move(row, due.end.state, due.end.reason, due.end.detail, **due.end.fields)
            self._ledger.attempts.end(row.digest, SWAP, row.channel)
        self._now = Nothing()

    def note(self, canary: Canary) -> Row:
        """Write the canary's verdicts into its row, and return the row."""
        return self._with_notes(self._ledger.rows.get(canary.swap_id), canary.notes)

    def _with_notes(self, row: Row, notes: list[VerdictRecord]) -> Row:
        fresh = tuple(note for note in notes if note not in row.verify)
        return self._ledger.amend(row, verify=(*row.verify, *fresh)) if fresh else row

    def _close(self, rollout: Canary | ByHand) -> None:
        self._traffic.end()
        self._engine.close(rollout.trial.canary)
