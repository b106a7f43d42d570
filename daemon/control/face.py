"""What the control socket asks of the daemon, and who asks."""

from dataclasses import dataclass
from typing import Any, Protocol

from hotswapd.daemon.answers import Action, HistoryRow, Status
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.serve.face import Face


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end of the control socket, according to the kernel."""

    pid: int
    uid: int
    gid: int


class ControlFace(Face, Protocol):
    """The daemon as its operators see it: all that clients see, and everything that changes state.

    Every method may be called on any thread and by several threads at once. `submit` waits for a source to scan;
    `rollback`, `pin` and the `ab_` methods wait for the worker; the others answer from what is known. `peer` is who
    asked, None if nobody knows. Every change is written down with it. All raise NotReady while the ledger is down, and
    NoSuchChannel for a name that no channel has.
    """

    def status(self, channel: str | None = None) -> Status:
        """Return what ``GET /status`` answers, about one channel or about all."""
        ...

    def history(self, limit: int, channel: str | None = None) -> list[HistoryRow]:
        """Return at most `limit` swaps, newest first, of one channel or of all."""
        ...

    def actions(self, limit: int) -> list[Action]:
        """Return at most `limit` things that operators asked for, newest first, with who asked and what came of it."""
        ...

    def submit(self, uri: str, again: bool, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Put an adapter on the queue; `again` tries one that was refused. Raises BadRequest or Conflict."""
        ...

    def rollback(self, number: int | None, follow: bool, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Make a kept generation live, by default the previous one, and pin it unless `follow`. Raises Conflict."""
        ...

    def pin(self, number: int | None, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Keep the live generation live, or generation `number`. Raises Conflict."""
        ...

    def unpin(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Let new adapters go live again."""
        ...

    def pause(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Take nothing from the queue until `resume`."""
        ...

    def resume(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Take from the queue again."""
        ...

    def ab_start(self, number: int, weight: float, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Put a kept generation beside the live one for `weight` percent of new requests. Raises Conflict."""
        ...

    def ab_promote(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Make the generation beside the live one live. Raises Conflict."""
        ...

    def ab_stop(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Stop serving the generation beside the live one. Raises Conflict."""
        ...

    def remove_channel(self, channel: str, purge: bool, peer: Peer | None) -> dict[str, Any]:
        """End a channel's requests and erase its bytes; `purge` removes its rows too. Raises BadRequest."""
        ...
