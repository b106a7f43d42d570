"""The operator's acts on what a channel has live and on its rollout. Each runs on the worker's thread."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from hotswapd.daemon.channels.channel import Channel
from hotswapd.daemon.channels.removal import Removal, require_removable
from hotswapd.daemon.engines.protocol import NoRoom
from hotswapd.daemon.errors import Conflict, ErrorCode
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, Left
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.worker import Worker
from hotswapd.daemon.rollout.states import ByHand, Canary, End
from hotswapd.loaders.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Acts:
    """Every method acts on one channel, is legal on any thread, waits for the worker's, and returns what is live then.

    They raise Conflict, LedgerDown, or TimeoutError if the worker is busy for too long.
    """

    worker: Worker
    ledger: Ledger
    removal: Removal

    def roll_back(self, channel: Channel, number: int | None, *, follow: bool) -> Generation:
        """Make an older generation live, and pin it unless `follow`."""
        return self.worker.do(lambda: self._roll_back(channel, number, follow=follow))

    def pin(self, channel: Channel, number: int | None) -> Generation:
        """Pin the live generation, or make generation `number` live and pin it."""
        return self.worker.do(lambda: self._pin(channel, number))

    def start(self, channel: Channel, number: int, weight: float) -> Generation:
        """Put a kept generation beside the live one, for `weight` percent of new requests, until somebody decides."""
        return self.worker.do(lambda: _start(channel, number, weight))

    def promote(self, channel: Channel) -> Generation:
        """Make the generation beside the live one live, whatever was counted."""
        return self.worker.do(lambda: _promote(channel))

    def stop(self, channel: Channel) -> Generation:
        """Stop serving the generation beside the live one; a candidate ends as rolled back."""
        return self.worker.do(lambda: _stop(channel))

    def remove(self, channel: Channel, *, purge: bool) -> Generation:
        """End a channel's requests, erase its bytes and, with `purge`, its rows. Raises BadRequest, too."""
        require_removable(channel.name)
        return self.worker.do(lambda: self.removal.remove(channel, purge=purge))

    def _roll_back(self, channel: Channel, number: int | None, *, follow: bool) -> Generation:
        target, before = channel.rollback.target(number), channel.live.now
        left = Left(State.ROLLED_BACK, Reason.OPERATOR, f"rolled back by hand to generation {target.number}")
        with contextlib.nullcontext() if follow else self._pinned(channel):
            return channel.rollback.run(target, left, refuses=before.number, pins=not follow)

    def _pin(self, channel: Channel, number: int | None) -> Generation:
        live = channel.live.now
        with self._pinned(channel):
            if number is None or number == live.number:
                return live
            return channel.rollback.run(channel.rollback.target(number), Left(State.RETIRED, Reason.PINNED_OTHER))

    @contextlib.contextmanager
    def _pinned(self, channel: Channel) -> Iterator[None]:
        """Pin before the step, so that a death within it cannot lose the pin; undo it if the step fails."""
        was = self.ledger.flags.pinned(channel.name)
        self.ledger.flags.set("pinned", True, channel=channel.name)
        try:
            yield
        except BaseException:
            self.ledger.flags.set("pinned", was, channel=channel.name)
            raise


def _start(channel: Channel, number: int, weight: float) -> Generation:
    channel.rollouts.require_none()
    target = channel.rollback.target(number)
    with channel.rollback.staged(target) as staged:
        channel.rollouts.compare(staged, target.number, weight)
    return channel.live.now


def _promote(channel: Channel) -> Generation:
    now = _required(channel)
    try:
        if isinstance(now, Canary):
            return channel.rollouts.promote(now)
        return _promote_by_hand(channel, now)
    except (NoRoom, Unavailable) as error:
        raise Conflict(ErrorCode.NO_BERTH, f"{error}; try again in a moment") from None


def _promote_by_hand(channel: Channel, now: ByHand) -> Generation:
    left = Left(State.RETIRED, Reason.AB_PROMOTED)
    live = channel.rollback.run(channel.rollback.target(now.trial.canary), left)
    channel.rollouts.beside.took_over()
    return live


def _stop(channel: Channel) -> Generation:
    _required(channel)
    channel.rollouts.beside.end(End(State.ROLLED_BACK, Reason.OPERATOR, "its rollout was stopped by hand"))
    return channel.live.now


def _required(channel: Channel) -> Canary | ByHand:
    now = channel.rollouts.beside.now
    if not isinstance(now, Canary | ByHand):
        sentence = "nothing is beside the live generation: there is nothing to promote or stop"
        raise Conflict(ErrorCode.NO_ROLLOUT, sentence)
    return now
