"""What an operator does with a rollout: start a comparison, promote, stop."""

from dataclasses import dataclass

from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Left
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.rollback import Rollback
from hotswapd.daemon.pipeline.worker import Worker
from hotswapd.daemon.rollout.rollouts import Rollouts
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.lanes.lanes import NoLane


@dataclass(frozen=True, slots=True)
class RolloutActs:
    """Every method is legal on any thread, waits for the worker's, and returns what is live then.

    They raise Conflict, LedgerDown, or TimeoutError when the worker is busy for too long.
    """

    worker: Worker
    rollback: Rollback
    rollouts: Rollouts

    def start(self, number: int, weight: float) -> Generation:
        """Put a kept generation beside what is live, for `weight` percent of new requests, until somebody decides."""
        return self.worker.do(lambda: self._start(number, weight))

    def promote(self) -> Generation:
        """Make what is beside the live generation live, whatever was counted."""
        return self.worker.do(self._promote)

    def stop(self) -> Generation:
        """Take away what is beside the live generation; a candidate is rolled back from."""
        return self.worker.do(self._stop)

    def _start(self, number: int, weight: float) -> Generation:
        if self.rollouts.runs:
            raise Conflict("rollout_runs", "a rollout is under way; promote or stop it first")
        target = self.rollback.target(number)
        with self.rollback.image(target) as image:
            image.generation = target.number
            self.rollouts.compare(image, target.number, weight)
        return self.rollouts.live()

    def _promote(self) -> Generation:
        self._require()
        rollouts, number = self.rollouts, self.rollouts.number()
        try:
            if rollouts.by_hand:
                live = self.rollback.run(self.rollback.target(number), Left(State.RETIRED, "ab_promoted"))
                rollouts.close()
                return live
            return rollouts.promote()
        except (NoLane, Unavailable) as error:
            raise Conflict("no_lane", f"{error}; try again in a moment") from None

    def _stop(self) -> Generation:
        self._require()
        if self.rollouts.by_hand:
            self.rollouts.close()
        else:
            self.rollouts.end(State.ROLLED_BACK, "operator", "its rollout was stopped by hand")
        return self.rollouts.live()

    def _require(self) -> None:
        if self.rollouts.number() is None:
            raise Conflict("no_rollout", "nothing is beside the live generation: there is nothing to promote or stop")
