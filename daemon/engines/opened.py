"""What a start opens: an engine, and what only its kind knows of itself."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol

from hotswapd.daemon.answers import ResidentStatus
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.replicas import ReplacedStatus, ReplicaStatus

from .beside import Asked, Prompts

if TYPE_CHECKING:
    from hotswapd.daemon.serve.answerer import Answerer
    from hotswapd.daemon.serve.split import Telling

    from .protocol import Engine


class Opened(Protocol):
    """The engine that a daemon works with, warm. Every method is legal on any thread unless it says otherwise."""

    @property
    def engine(self) -> "Engine":
        """The engine, always the same one."""
        ...

    @property
    def contract_fingerprint(self) -> str:
        """A digest that changes whenever what the engine takes may change."""
        ...

    @property
    def base_fingerprint(self) -> str:
        """That of the base that is served; empty if it is unknown."""
        ...

    @property
    def ask(self) -> "Callable[[int, Prompts, int], Asked | None] | None":
        """What asks a generation the daemon's own questions, see `beside.ask_beside`; None if nobody can be asked."""
        ...

    def describe(self) -> ResidentStatus:
        """Describe the model as ``GET /status`` does."""
        ...

    def replicas(self) -> list[ReplicaStatus]:
        """Describe each replica; none if the model is in this process."""
        ...

    def replaced(self) -> ReplacedStatus | None:
        """Describe which replicas were replaced; None if the model is in this process."""
        ...

    def answerer(self, split: "Telling") -> "Answerer | None":
        """Return what answers requests, routed by `split`; None if they are answered elsewhere."""
        ...

    def keep_only(self, digests: Collection[str]) -> None:
        """Note which adapters the ledger needs: copies elsewhere that nobody else needs may go. It must be quick."""
        ...

    def judge_by(self, settings: Settings) -> None:
        """Admit and verify by these settings from now on. On the worker's thread.

        Raises ConfigError; then candidates are admitted by them, and verified as before.
        """
        ...

    def tick(self, max_drain: float) -> None:
        """Keep it alive, and end what has run for `max_drain` seconds since it retired. On the worker's thread.

        To be called every second or so. Raises ResidentLost.
        """
        ...
