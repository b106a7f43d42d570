"""What the HTTP server and the control socket ask of the daemon, and how it says no.

Every method may be called on any thread and by several threads at once. Only `submit`, `rollback` and `pin` may take
long; the others answer from what is known.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hotswapd.daemon.answers import Action, HistoryRow
from hotswapd.daemon.control.face import Peer
from hotswapd.daemon.errors import BadRequest, Busy, Conflict, FaceError, NotReady

if TYPE_CHECKING:
    from .answerer import Answerer

__all__ = ["BadRequest", "Busy", "Conflict", "Face", "FaceError", "NotReady", "Peer", "Readiness"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests are answered, and if not, the sentence that says why."""

    ready: bool
    reason: str = ""


class Face(Protocol):
    """The daemon as its servers see it."""

    def ready(self) -> Readiness:
        """Say whether requests are answered now."""
        ...

    def status(self) -> dict[str, Any]:
        """Return what ``GET /status`` answers."""
        ...

    def history(self, limit: int) -> list[HistoryRow]:
        """Return at most `limit` swaps, newest first."""
        ...

    def exposition(self) -> bytes:
        """Return what ``GET /metrics`` answers, in Prometheus' text format."""
        ...

    def overview(self) -> dict[str, Any]:
        """Return what the status page shows."""
        ...

    def actions(self, limit: int) -> list[Action]:
        """Return at most `limit` things that operators asked for, newest first, with who asked and what came of it."""
        ...

    def submit(self, uri: str, again: bool, peer: Peer | None) -> dict[str, Any]:
        """Put an adapter on the queue; `again` tries one that was refused. Raises BadRequest or Conflict."""
        ...

    def rollback(self, number: int | None, follow: bool, peer: Peer | None) -> dict[str, Any]:
        """Make a kept generation live, by default the previous one, and pin it unless `follow`. Raises Conflict."""
        ...

    def pin(self, number: int | None, peer: Peer | None) -> dict[str, Any]:
        """Keep the live generation live, or generation `number`. Raises Conflict."""
        ...

    def ab_start(self, number: int, weight: float, peer: Peer | None) -> dict[str, Any]:
        """Put a kept generation beside the live one for `weight` percent of new requests. Raises Conflict."""
        ...

    def ab_promote(self, peer: Peer | None) -> dict[str, Any]:
        """Make what is beside the live generation live. Raises Conflict."""
        ...

    def ab_stop(self, peer: Peer | None) -> dict[str, Any]:
        """Take away what is beside the live generation. Raises Conflict."""
        ...

    def unpin(self, peer: Peer | None) -> dict[str, Any]:
        """Let new adapters go live again."""
        ...

    def pause(self, peer: Peer | None) -> dict[str, Any]:
        """Take nothing from the queue until `resume`."""
        ...

    def resume(self, peer: Peer | None) -> dict[str, Any]:
        """Take from the queue again."""
        ...

    def answerer(self) -> "Answerer":
        """Get what answers requests. Raises NotReady while there is none."""
        ...
