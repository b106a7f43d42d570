"""What an operator can see and do, before the model answers and after: two types, each complete once it is made."""

from collections.abc import Sequence
from dataclasses import dataclass

from hotswapd.daemon.answers import ResidentStatus, RolloutStatus, VerifyStatus, WatchStatus
from hotswapd.daemon.engines.protocol import Loaded
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.live.going_live import Live
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.daemon.pipeline.candidate import Candidates
from hotswapd.daemon.rollout.traffic import Traffic
from hotswapd.daemon.serve.answerer import Answerer

from .acts import Acts


@dataclass(frozen=True, slots=True)
class Starting:
    """Before the model answers: the base counts as live, and every request and every change must wait."""

    live: Generation

    def loaded(self) -> Sequence[Loaded]:
        """Return nothing: no generation answers yet."""
        return ()

    def resident(self) -> ResidentStatus:
        """Return nothing: the model is not loaded yet."""
        return {}

    def verifying(self) -> VerifyStatus | None:
        """Return None: no candidate is tried yet."""
        return None

    def watching(self) -> WatchStatus | None:
        """Return None: no generation is watched yet."""
        return None

    def rollout(self) -> RolloutStatus | None:
        """Return None: no rollout runs yet."""
        return None


@dataclass(frozen=True, slots=True)
class Working:
    """Once the model answers. Every method is legal on any thread."""

    engine: ResidentEngine
    now: Live
    answers: Answerer
    acts: Acts
    candidates: Candidates
    watch: LiveWatch
    traffic: Traffic
    base: str

    @property
    def live(self) -> Generation:
        """The live generation."""
        return self.now.now

    def loaded(self) -> Sequence[Loaded]:
        """List the generations that requests can name, or that still answer some."""
        return self.engine.loaded()

    def resident(self) -> ResidentStatus:
        """Describe the model."""
        return {**self.engine.describe(), "base": self.base}

    def verifying(self) -> VerifyStatus | None:
        """Describe how far the verification of a candidate is; None if none runs."""
        return self.candidates.under_way

    def watching(self) -> WatchStatus | None:
        """Describe what the watch has counted of the live generation; None once its window is over."""
        return self.watch.status()

    def rollout(self) -> RolloutStatus | None:
        """Describe the rollout; None if none runs."""
        return self.traffic.status()
