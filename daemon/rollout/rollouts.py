"""Rollouts: a verified candidate goes beside the live generation, and its own requests decide."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.engines.protocol import Engine, NoRoom, Staged
from hotswapd.daemon.errors import Conflict, ErrorCode
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.going_live import Change, Live
from hotswapd.daemon.report.verdicts import log_verdict, record
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.gates.spec import Outcome, Verdict

from .beside import INTERRUPTED, Beside
from .states import ByHand, Canary, End, Nothing, Unwritten
from .trial import Action, Decision, Trial

log = structlog.get_logger(__name__)
GATE = "canary"
_PINNED = "it was a canary when the live generation was pinned; `hotswapd unpin` lets it try again"
_TAKE_AGAIN = "`hotswapd submit --again` takes these bytes once more"


@dataclass(frozen=True, slots=True)
class Rollouts:
    """Begins, judges and ends rollouts. For the worker's thread. Every method may raise ResidentLost or LedgerDown."""

    engine: Engine
    ledger: Ledger
    table: Rollout
    live: Live
    beside: Beside
    clock: Callable[[], float] = time.monotonic

    @property
    def runs(self) -> bool:
        """Whether a rollout is under way, or its end is not in the ledger yet."""
        return not isinstance(self.beside.now, Nothing)

    @property
    def by_hand(self) -> bool:
        """Whether an operator put an older generation, not a candidate, beside the live one."""
        return isinstance(self.beside.now, ByHand)

    def takes(self) -> bool:
        """Tell whether a verified candidate goes beside the live generation instead of replacing it."""
        return self.table.mode != "replace"

    def leaves_alone(self, swap_id: str) -> bool:
        """Tell whether this candidate must wait: it is the canary itself, or a rollout runs that it does not end."""
        match self.beside.now:
            case Nothing():
                return False
            case ByHand():
                return True
            case Canary(swap_id=canary) | Unwritten(swap_id=canary):
                return swap_id == canary or self.table.on_newer == "wait"

    def is_beside(self, digest: str) -> bool:
        """Tell whether exactly these bytes are beside the live generation."""
        now = self.beside.now
        return isinstance(now, Canary | ByHand) and now.staged.digest == digest

    def begin(self, row: Row, staged: Staged) -> None:
        """Put a verified candidate beside the live generation; the previous canary is superseded.

        Raises NoRoom or Unavailable.
        """
        if isinstance(self.beside.now, Canary | ByHand):
            detail = f"{row.uri} is newer, and was verified while it was a canary"
            self.beside.end(End(State.SUPERSEDED, Reason.NEWER_CANARY, detail))
        if isinstance(self.beside.now, Unwritten) or not self.engine.room():
            raise NoRoom("the previous canary still has requests")
        self.ledger.attempts.begin(row.digest, SWAP, GATE, row.channel)
        number = self.live.next_number()
        self.live.claim(number)
        at = Generation(number, row.uri, row.revision, row.digest, time.time(), row.swap_id, row.stamp, row.channel)
        self.ledger.reserve(row, at)
        failpoint("canary")
        trial = self._trial(number, staged, self.table.shares, decides=self.table.mode == "canary")
        self.beside.begin(Canary(row.swap_id, staged, trial))

    def compare(self, staged: Staged, number: int, weight: float) -> None:
        """Put an older generation beside the live one, until somebody decides. Raises Conflict or NoRoom."""
        self.require_none()
        self.beside.begin(ByHand(staged, self._trial(number, staged, (weight,), decides=False)))

    def require_none(self) -> None:
        """Raise Conflict while a rollout is under way."""
        if self.runs:
            raise Conflict(ErrorCode.ROLLOUT_RUNS, "a rollout is under way; promote or stop it first")

    def poll(self) -> None:
        """Do what is due. If it raises, it is due again at the next poll."""
        self.beside.write()
        now = self.beside.now
        if not isinstance(now, Canary | ByHand):
            return
        try:
            overtaken = self._overtaken(now)
        except LedgerDown:
            self._drop_if_bad(now)
            raise
        if overtaken is not None:
            self.beside.end(overtaken)
        elif isinstance(now, Canary):
            self._judge(now)

    def _drop_if_bad(self, now: Canary | ByHand) -> None:
        """Take the requests of a bad canary away although the ledger is down; its end is written later."""
        if isinstance(now, Canary):
            now.decided = now.decided or now.trial.judge()
            if now.decided is not None and now.decided.action == Action.DROP:
                self._act(now, now.decided)

    def promote(self, canary: Canary) -> Generation:
        """Make the canary live. Raises what `Live.go_live` raises; it stays a canary then."""
        row = self.beside.note(canary)
        live = self.live.go_live(Change(canary.trial.canary, row, row.digest), canary.staged)
        failpoint("promoted")
        self.beside.took_over()
        return live

    def halt(self) -> None:
        """Record, at a proper end of the process, that the canary did not kill it; the next start tries it again."""
        if isinstance(self.beside.now, Canary | ByHand):
            self.ledger.attempts.end(self.beside.now.staged.digest, SWAP, self.live.channel)

    def _trial(self, number: int, staged: Staged, shares: tuple[float, ...], *, decides: bool) -> Trial:
        return Trial(self.live.now.number, number, staged.digest, self.table, shares, decides, self.clock)

    def _overtaken(self, now: Canary | ByHand) -> End | None:
        """Return the end that is due because the live generation, its row or the pin has changed; None if none is."""
        if self.live.now.number != now.trial.live:
            return End(State.HELD, Reason.INTERRUPTED, INTERRUPTED)
        if isinstance(now, ByHand):
            return None
        if self.ledger.rows.get(now.swap_id).state != State.VERIFIED:
            return End(State.SUPERSEDED, "", "")  # the row has its end already; only the berth is left to take
        if self.ledger.flags.pinned(self.live.channel):
            return End(State.HELD, Reason.PINNED, _PINNED)
        return None

    def _judge(self, canary: Canary) -> None:
        canary.decided = canary.decided or canary.trial.judge()
        if canary.decided is not None:
            self._act(canary, canary.decided)
        elif waits_for := canary.trial.reminder():
            log.info("rollout_waits", canary=canary.trial.canary, share=canary.trial.share, waits_for=waits_for)

    def _act(self, canary: Canary, decision: Decision) -> None:
        failpoint(f"canary_{decision.action.value}")
        self._note(canary, decision)
        match decision.action:
            case Action.DROP:
                self.beside.end(End(State.ROLLED_BACK, Reason.CANARY_WORSE, f"{decision.sentence}; {_TAKE_AGAIN}"))
            case Action.STEP:
                canary.decided = None
                self.beside.note(canary)
                log.info("rollout_step", canary=canary.trial.canary, share=canary.trial.share)
            case Action.PROMOTE:
                self._try_to_promote(canary)

    def _try_to_promote(self, canary: Canary) -> None:
        try:
            self.promote(canary)
        except (NoRoom, Unavailable) as error:
            log.warning("promotion_waits", detail=str(error))

    def _note(self, canary: Canary, decision: Decision) -> None:
        """Add a decision and its numbers to the canary's notes, once."""
        bad = decision.action == Action.DROP
        code, outcome = (Reason.CANARY_WORSE, Outcome.FAILED) if bad else ("", Outcome.PASSED)
        verdict = Verdict(GATE, outcome, code, decision.sentence, decision.numbers)
        noted = record(verdict)
        if noted not in canary.notes:
            canary.notes.append(noted)
            log_verdict(verdict, generation=canary.trial.canary)
