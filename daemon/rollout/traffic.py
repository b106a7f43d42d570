"""The split of requests between the live generation and the one beside it, and where their counts go."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hotswapd.daemon.answers import RolloutStatus
from hotswapd.daemon.share import Share

from .trial import Trial

if TYPE_CHECKING:
    from hotswapd.swap.rows.ended import Ended


class Traffic:
    """Splits requests while two generations are side by side. Every method is legal on any thread."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        """`wake` is called after a request with a logit that is not finite: then a decision is due at once."""
        self._wake = wake
        self._trial: Trial | None = None

    @property
    def trial(self) -> Trial | None:
        """The comparison under way, None while nothing is beside the live generation."""
        return self._trial

    def begin(self, trial: Trial) -> None:
        """Split from now on, by this comparison."""
        self._trial = trial

    def end(self) -> None:
        """Send every new request to the live generation."""
        self._trial = None

    def route(self, key: str) -> tuple[int | None, str]:
        """Return the generation that answers a request (None is the live one), and the tag under which it counts."""
        share = self.split()
        return (None, "") if share is None else share.route(key)

    def split(self) -> Share | None:
        """Return by what requests are split, None while nothing is beside the live generation."""
        trial = self.trial
        return None if trial is None else trial.split()

    def ended(self, ended: "Ended") -> None:
        """Count a request; on the loop's thread."""
        trial = self.trial
        if trial is not None and ended.tag:
            trial.ended(ended)
            if ended.non_finite:
                self._wake()

    def scored(self, generation: int, score: float) -> bool:
        """Count feedback; return False if the generation is not in a rollout."""
        trial = self.trial
        return trial is not None and trial.scored(generation, score)

    def number(self) -> int | None:
        """Return the number of the generation beside the live one, None if there is none."""
        trial = self.trial
        return None if trial is None else trial.canary

    def status(self) -> RolloutStatus | None:
        """Describe the rollout as ``GET /status`` does; None if none runs."""
        trial = self.trial
        return None if trial is None else trial.status()
