"""Which requests are answered by the generation beside the live one, and what they told of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .trial import CANARY, Trial

if TYPE_CHECKING:
    from hotswapd.swap.lanes.ended import Ended


class Traffic:
    """Splits requests while two generations are side by side. Every method is legal on any thread."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        """`wake` is called when a request had a logit that is not finite: who decides should look at once."""
        self._wake = wake
        self._trial: Trial | None = None

    @property
    def trial(self) -> Trial | None:
        """The comparison under way, None while nothing is beside the live generation."""
        return self._trial

    def begin(self, trial: Trial) -> None:
        """Split from now on."""
        self._trial = trial

    def end(self) -> None:
        """Send every new request to the live generation."""
        self._trial = None

    def route(self, key: str) -> tuple[int | None, str]:
        """Choose which generation answers a request, None for the live one, and the tag that counts it."""
        trial = self.trial
        if trial is None:
            return None, ""
        arm = trial.route(key)
        return (trial.canary if arm == CANARY else None), arm

    def ended(self, ended: "Ended") -> None:
        """Count a request; on a lane's thread."""
        trial = self.trial
        if trial is not None and ended.tag:
            trial.ended(ended)
            if ended.non_finite:
                self._wake()

    def scored(self, generation: int, score: float) -> bool:
        """Count feedback; False when the generation is in no rollout."""
        trial = self.trial
        return trial is not None and trial.scored(generation, score)

    def number(self) -> int | None:
        """Return the generation beside the live one, None when there is none."""
        trial = self.trial
        return None if trial is None else trial.canary

    def status(self) -> dict[str, Any] | None:
        """Describe what runs; None when nothing does."""
        trial = self.trial
        return None if trial is None else trial.status()
