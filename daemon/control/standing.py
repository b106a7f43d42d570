"""What the daemon's threads say about themselves, for those who ask: one place, plain values, no lock held for long."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.daemon.serve.face import Readiness
from hotswapd.swap.engine import Engine

STARTING = "the daemon is starting"


@dataclass(slots=True)
class Standing:
    """Written by the worker and the service, read by any thread; each attribute is replaced whole.

    `phase` is a sentence on what start-up is doing, `lost` one on why the process is about to end,
    `reload_refused` one on why the last reload changed nothing, `fingerprint` that of contract and policy,
    `verifying` how far the candidate is that is being verified.
    """

    live: Generation
    phase: str = STARTING
    engine: Engine | None = None
    is_ready: bool = False
    stopping: bool = False
    lost: str = ""
    reload_refused: str = ""
    fingerprint: str = ""
    verifying: dict[str, Any] | None = None
    watch: LiveWatch | None = None
    rollout: Callable[[], dict[str, Any] | None] = lambda: None
    ready: threading.Event = field(default_factory=threading.Event)

    def readiness(self) -> Readiness:
        """Say whether requests are answered, and if not, why."""
        if self.lost:
            return Readiness(False, self.lost)
        if self.stopping:
            return Readiness(False, "the daemon is stopping")
        return Readiness(True) if self.is_ready else Readiness(False, self.phase)
