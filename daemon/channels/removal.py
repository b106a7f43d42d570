"""The removal of a channel: its requests end, its bytes go, and its rows stay unless they are purged."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hotswapd.daemon.engines.protocol import Engine
from hotswapd.daemon.errors import BadRequest, Conflict, ErrorCode
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.states import IN_STORE, PRESENT, State
from hotswapd.daemon.rollout.states import End
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store

from .channel import Channel
from .channels import Channels

log = structlog.get_logger(__name__)
_SENTENCE = "an operator removed its channel; a new adapter for it makes the channel anew"
_ENDINGS = {
    **dict.fromkeys(PRESENT, State.GONE),
    **dict.fromkeys(IN_STORE, State.SUPERSEDED),
    State.LIVE: State.RETIRED,
}


def require_removable(name: str) -> None:
    """Raise BadRequest for the default channel. Legal on any thread."""
    if name == DEFAULT:
        raise BadRequest(ErrorCode.BAD_CHANNEL, "the default channel always exists and cannot be removed", "channel")


@dataclass(frozen=True, slots=True)
class Removal:
    """Removes channels. For the worker's thread."""

    channels: Channels
    engine: Engine
    ledger: Ledger
    store: Store
    on_removed: Callable[[str], None] = lambda _: None

    def remove(self, channel: Channel, *, purge: bool) -> Generation:
        """Remove a channel, and return what it had live. Raises Conflict or LedgerDown; nothing has changed then.

        The store's copies of what only this channel needed go at the next collection.
        """
        live = channel.live.now
        if channel.rollouts.runs:
            channel.rollouts.beside.end(End(State.SUPERSEDED, Reason.CHANNEL_REMOVED, _SENTENCE))
        self._write(channel.name, purge=purge)
        self.engine.unroute(channel.name)
        self.channels.forget(channel.name)
        self.on_removed(channel.name)
        log.info("channel_removed", channel=channel.name, generation=live.number, purged=purge)
        return live

    def _write(self, name: str, *, purge: bool) -> None:
        """Write ledger and pointer, both or neither."""
        record = self.store.pointer(name)
        try:
            with self.ledger.together():
                self._end_rows(name)
                self.ledger.flags.forget(name)
                self.ledger.channels.forget(name, purge=purge)
                if purge:
                    self.ledger.generations.forget(name)
                self.store.unpoint(name)
        except Unavailable as error:
            raise Conflict(ErrorCode.INTERNAL_ERROR, f"its pointer cannot be removed: {error.sentence}") from None
        except LedgerDown:
            if record is not None:
                self.store.point(record, channel=name)
            raise

    def _end_rows(self, name: str) -> None:
        for before, after in _ENDINGS.items():
            self.ledger.move_all(before, after, Reason.CHANNEL_REMOVED, _SENTENCE, "channel = ?", name)
