"""What the HTTP server asks of the daemon."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hotswapd.daemon.answers import Overview

if TYPE_CHECKING:
    from .answerer import Answerer


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests are answered, and if not, the sentence that says why."""

    ready: bool
    reason: str = ""


class Answering(Protocol):
    """What answers requests, as clients see it.

    Every method may be called on any thread and by several threads at once. None of them takes long.
    """

    def ready(self) -> Readiness:
        """Tell whether requests are answered now."""
        ...

    def answerer(self) -> "Answerer":
        """Return what answers requests. Raises NotReady while the model does not answer."""
        ...


class Shown(Protocol):
    """What the status page and Prometheus see. Legal on any thread; neither takes long."""

    def exposition(self) -> bytes:
        """Return what ``GET /metrics`` answers, in Prometheus' text format. Raises NotReady if nobody knows now."""
        ...

    def overview(self) -> Overview:
        """Return what the status page shows. Raises NotReady if nobody knows now."""
        ...


class Face(Answering, Shown, Protocol):
    """The daemon as clients and the status page see it; as for threads, see `Answering`."""
