"""What an operator can see and do, before the model answers and after: two types, each complete once it is made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hotswapd.daemon.answers import ResidentStatus, RolloutStatus, VerifyStatus, WatchStatus
from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.engines.opened import Opened
from hotswapd.daemon.engines.protocol import Loaded
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.pipeline.candidate import Candidates
from hotswapd.daemon.replicas import ReplacedStatus, ReplicaStatus
from hotswapd.daemon.serve.answerer import Answerer

from .acts import Acts


@dataclass(frozen=True, slots=True)
class Shown:
    """What one channel does now."""

    name: str
    live: Generation
    watch: WatchStatus | None = None
    rollout: RolloutStatus | None = None


@dataclass(frozen=True, slots=True)
class Starting:
    """Before the model answers: the base counts as live, and every request and every change must wait."""

    live: Generation

    def loaded(self) -> Sequence[Loaded]:
        """Return nothing: no generation answers yet."""
        return ()

    def lives(self) -> Sequence[Generation]:
        """Return nothing: nothing has come back yet. What had been live is in the ledger."""
        return ()

    def resident(self) -> ResidentStatus:
        """Return nothing: the model is not loaded yet."""
        return {}

    def replicas(self) -> list[ReplicaStatus]:
        """Return none: nobody works with replicas yet."""
        return []

    def replaced(self) -> ReplacedStatus | None:
        """Return None, for the same reason."""
        return None

    def verifying(self) -> VerifyStatus | None:
        """Return None: no candidate is tried yet."""
        return None

    def names(self) -> list[str]:
        """Name the default channel alone: no other has come back yet."""
        return [DEFAULT]

    def shown(self, names: Iterable[str]) -> list[Shown]:
        """Show channels: nothing has come back yet."""
        return [Shown(name, replace(self.live, channel=name)) for name in names]


@dataclass(frozen=True, slots=True)
class Working:
    """Once the model answers, here or, without `answers`, elsewhere. Every method is legal on any thread."""

    opened: Opened
    channels: Channels
    answers: Answerer | None
    acts: Acts
    candidates: Candidates
    base: str

    @property
    def live(self) -> Generation:
        """What the default channel has live."""
        return self.channels.of(DEFAULT).live.now

    def lives(self) -> Sequence[Generation]:
        """Return what is live, in whatever channel."""
        return self.channels.lives()

    def loaded(self) -> Sequence[Loaded]:
        """List the generations that requests can name, or that still answer some."""
        return self.opened.engine.loaded()

    def resident(self) -> ResidentStatus:
        """Describe the model."""
        return {**self.opened.describe(), "base": self.base}

    def replicas(self) -> list[ReplicaStatus]:
        """Describe each replica of a fleet."""
        return self.opened.replicas()

    def replaced(self) -> ReplacedStatus | None:
        """Describe which replicas of a fleet were replaced; None for one daemon."""
        return self.opened.replaced()

    def verifying(self) -> VerifyStatus | None:
        """Describe how far the verification of a candidate is; None if none runs."""
        return self.candidates.under_way

    def names(self) -> list[str]:
        """Name every channel, the default one first."""
        return self.channels.names()

    def shown(self, names: Iterable[str]) -> list[Shown]:
        """Show channels; one in which nothing has happened yet has the base live."""
        return [self._show(name) for name in names]

    def _show(self, name: str) -> Shown:
        channel = self.channels.peek(name)
        if channel is None:
            return Shown(name, replace(self.channels.base, channel=name))
        return Shown(name, channel.live.now, channel.watch.status(), channel.traffic.status())
