"""What the operator can do, before the model answers and after: two types, each complete from its constructor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    """Before the model answers: the base counts as live, and whoever wants an answer or a change must wait."""

    live: Generation

    def loaded(self) -> Sequence[Loaded]:
        """Nothing is loaded that answers."""
        return ()

    def resident(self) -> Mapping[str, Any]:
        """Nothing can be said of the model yet."""
        return {}

    def verifying(self) -> dict[str, Any] | None:
        """No candidate is tried."""
        return None

    def watching(self) -> dict[str, Any] | None:
        """No generation is watched."""
        return None

    def rollout(self) -> dict[str, Any] | None:
        """No rollout runs."""
        return None


@dataclass(frozen=True, slots=True)
class Working:
    """The model answers. Every method is legal on any thread."""

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
        """What is live."""
        return self.now.now

    def loaded(self) -> Sequence[Loaded]:
        """List the generations that can be asked for or still answer."""
        return self.engine.loaded()

    def resident(self) -> Mapping[str, Any]:
        """Describe the model."""
        return self.engine.describe() | {"base": self.base}

    def verifying(self) -> dict[str, Any] | None:
        """Describe how far the candidate is that is being verified; None if none is."""
        return self.candidates.under_way

    def watching(self) -> dict[str, Any] | None:
        """Describe what the watch has seen of the live generation; None when its window is over."""
        return self.watch.status()

    def rollout(self) -> dict[str, Any] | None:
        """Describe the rollout; None when none runs."""
        return self.traffic.status()
