"""Several channels change at one moment: one transaction, one step of all pointers, one change of all routes.

The order is that of `going_live`, for all of them at once. The pointers change in one step, too: the store writes the
records of all into one file first, so a process that dies at any point leaves every channel with its old generation
or every channel with its new one.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from hotswapd.daemon.engines.protocol import Engine, Staged
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store

from .going_live import Change, Live

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """One channel's part in the change: what is live there, what changes, and what is staged and held for it."""

    live: Live
    change: Change
    staged: Staged


@dataclass(frozen=True, slots=True)
class Together:
    """Makes several verified adapters live, all of them or none. For the worker's thread."""

    engine: Engine
    ledger: Ledger
    store: Store

    def go_live(self, members: Sequence[Member]) -> list[Generation]:
        """Make all of them live, durably. Raises what `Live.go_live` raises; nothing is live anew then."""
        for one in members:
            one.live.prepare(one.change)
        routes = [(one.staged, one.change.number, one.live.channel) for one in members]
        before = [one.live.now for one in members]
        with self.engine.route_together(routes) as routed:
            failpoint("seat")
            lives = self._write(members, time.time())
            routed.then = partial(_show, members, lives)
            failpoint("committed")
        for one, left in zip(members, before, strict=True):
            one.live.took_over(one.change, left, one.staged, routed.pause)
        failpoint("live")
        for one, live in zip(members, lives, strict=True):
            one.live.note_pause(live.swap_id, routed.pause)
        return lives

    def _write(self, members: Sequence[Member], since: float) -> list[Generation]:
        """Write ledger and pointers, all or none."""
        with self._pointers_kept(members), self.ledger.together():
            lives = [one.live.record(one.change, since) for one in members]
            self.store.point_together({live.channel: live.record() for live in lives})
            failpoint("pointed")
        return lives

    @contextmanager
    def _pointers_kept(self, members: Sequence[Member]) -> Iterator[None]:
        """Restore the pointers if the ledger's transaction fails."""
        names, highest = [one.live.channel for one in members], self.store.highest()
        before = {name: self.store.pointer(name) for name in names}
        try:
            yield
        except BaseException:
            if {name: self.store.pointer(name) for name in names} != before:
                kept = {one.live.channel: before[one.live.channel] or one.live.now.record() for one in members}
                try:
                    self.store.point_together(kept, highest)
                except Unavailable as error:
                    log.error("pointer_is_ahead", detail=error.sentence)  # noqa: TRY400 - the sentence says it
            raise


def _show(members: Sequence[Member], lives: Sequence[Generation]) -> None:
    """Let every channel name its new generation at the moment of the change: who finds a channel's first one there is
    answered by all of them.
    """
    for one, live in zip(members, lives, strict=True):
        one.live.show(live)
