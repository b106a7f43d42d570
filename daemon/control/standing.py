"""The state of the process, in one place: plain values, no lock."""

from dataclasses import dataclass

from hotswapd.daemon.serve.face import Readiness

from .part import Starting, Working

STARTING = "the daemon is starting"


@dataclass(slots=True)
class Standing:
    """Written by the worker and the service, read on any thread; each attribute is replaced whole.

    `part` is what the operator can do now; it is replaced once, when the model answers. `phase` is a sentence on what
    the start is doing, `lost` one on why the process is about to end, `reload_refused` one on why the last reload
    changed nothing, `base_changed` one on how the base differs from that of the last generation before this start.
    """

    part: Starting | Working
    phase: str = STARTING
    stopping: bool = False
    lost: str = ""
    reload_refused: str = ""
    base_changed: str = ""

    @property
    def is_working(self) -> bool:
        """Whether the start is over, so that requests can be taken unless something else forbids it."""
        return isinstance(self.part, Working)

    def readiness(self) -> Readiness:
        """Tell whether requests are answered, and if not, why not."""
        if self.lost:
            return Readiness(False, self.lost)
        if self.stopping:
            return Readiness(False, "the daemon is stopping")
        return Readiness(True) if self.is_working else Readiness(False, self.phase)
