"""The operator's acts on the live generation and on a rollout. Each runs on the worker's thread."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from hotswapd.daemon.engines.protocol import NoRoom
from hotswapd.daemon.errors import Conflict, ErrorCode
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, Left
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.going_live import Live
from hotswapd.daemon.live.rollback import Rollback
from hotswapd.daemon.pipeline.worker import Worker
from hotswapd.daemon.rollout.rollouts import Rollouts
from hotswapd.daemon.rollout.states import ByHand, Canary, End
from hotswapd.loaders.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Acts:
    """Every method is legal on any thread, waits for the worker's, and returns the generation that is live afterwards.

    They raise Conflict, LedgerDown, or TimeoutError if the worker is busy for too long.
    """

    worker: Worker
    ledger: Ledger
    live: Live
    rollback: Rollback
    rollouts: Rollouts

    def roll_back(self, number: int | None, *, follow: bool) -> Generation:
        """Make an older generation live, and pin it unless `follow`."""
        return self.worker.do(lambda: self._roll_back(number, follow=follow))

    def pin(self, number: int | None) -> Generation:
        """Pin the live generation, or make generation `number` live and pin it."""
        return self.worker.do(lambda: self._pin(number))

    def start(self, number: int, weight: float) -> Generation:
        """Put a kept generation beside the live one, for `weight` percent of new requests, until somebody decides."""
        return self.worker.do(lambda: self._start(number, weight))

    def promote(self) -> Generation:
        """Make the generation beside the live one live, whatever was counted."""
        return self.worker.do(self._promote)

    def stop(self) -> Generation:
        """Stop serving the generation beside the live one; a candidate ends as rolled back."""
        return self.worker.do(self._stop)

    def _roll_back(self, number: int | None, *, follow: bool) -> Generation:
        target, before = self.rollback.target(number), self.live.now
        left = Left(State.ROLLED_BACK, Reason.OPERATOR, f"rolled back by hand to generation {target.number}")
        with contextlib.nullcontext() if follow else self._pinned():
            return self.rollback.run(target, left, refuses=before.number, pins=not follow)

    def _pin(self, number: int | None) -> Generation:
        live = self.live.now
        with self._pinned():
            if number is None or number == live.number:
                return live
            return self.rollback.run(self.rollback.target(number), Left(State.RETIRED, Reason.PINNED_OTHER))

    @contextlib.contextmanager
    def _pinned(self) -> Iterator[None]:
        """Pin before the step, so that a death within it cannot lose the pin; undo it if the step fails."""
        was = self.ledger.flags.pinned
        self.ledger.flags.set("pinned", True)
        try:
            yield
        except BaseException:
            self.ledger.flags.set("pinned", was)
            raise

    def _start(self, number: int, weight: float) -> Generation:
        self.rollouts.require_none()
        target = self.rollback.target(number)
        with self.rollback.staged(target) as staged:
            self.rollouts.compare(staged, target.number, weight)
        return self.live.now

    def _promote(self) -> Generation:
        now = self._required()
        try:
            if isinstance(now, Canary):
                return self.rollouts.promote(now)
            return self._promote_by_hand(now)
        except (NoRoom, Unavailable) as error:
            raise Conflict(ErrorCode.NO_BERTH, f"{error}; try again in a moment") from None

    def _promote_by_hand(self, now: ByHand) -> Generation:
        left = Left(State.RETIRED, Reason.AB_PROMOTED)
        live = self.rollback.run(self.rollback.target(now.trial.canary), left)
        self.rollouts.beside.took_over()
        return live

    def _stop(self) -> Generation:
        self._required()
        self.rollouts.beside.end(End(State.ROLLED_BACK, Reason.OPERATOR, "its rollout was stopped by hand"))
        return self.live.now

    def _required(self) -> Canary | ByHand:
        now = self.rollouts.beside.now
        if not isinstance(now, Canary | ByHand):
            sentence = "nothing is beside the live generation: there is nothing to promote or stop"
            raise Conflict(ErrorCode.NO_ROLLOUT, sentence)
        return now
