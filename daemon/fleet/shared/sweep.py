"""Which adapters leave `fleet.shared`: those that neither the watcher's ledger nor any replica needs any more.

What the ledger needs is what one daemon's store keeps: for rollbacks, pins and canaries, and what waits. What replicas
need is known at each step: what is live, what they answer for and what they try. An adapter goes when neither has
needed it for a minute, a few at each step, and never one that is being sent. What replicas need and somebody has
removed is sent again: an older watcher, which hung for long, may have done so.
"""

import threading
import time
from collections.abc import Callable, Collection

import structlog

from .copies import SharedCopies

log = structlog.get_logger(__name__)
_LOOK = 20.0
"""Seconds between two looks at the list of what is there."""
_UNNEEDED = 60.0
_MOST = 4
"""Adapters that one step removes."""


class Sweep:
    """For one term. `want` and `sending` are legal on any thread, `step` is for one."""

    def __init__(
        self, copies: SharedCopies, send: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Remove nothing before `want`. `send` puts an adapter there, or raises FileNotFoundError or Unavailable."""
        self._copies = copies
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        """Held while one adapter is removed: whoever sends the same one waits, and then finds that it is not there."""
        self._wanted: Collection[str] | None = None
        self._since: dict[str, float] = {}
        """What nobody needs, and from when on."""
        self._looked = float("-inf")

    def want(self, digests: Collection[str]) -> None:
        """Keep these, whatever replicas need, until the next call."""
        with self._lock:
            self._wanted = frozenset(digests)

    def sending(self, digest: str) -> None:
        """Keep these bytes for a while: somebody is about to need them. To be called before they are looked for."""
        with self._lock:
            self._since.pop(digest, None)

    def step(self, needed: Collection[str]) -> list[str]:
        """Look what is there from time to time, remove a little, and return what went; `needed` is by replicas, now.

        Raises Unavailable.
        """
        now = self._clock()
        if now - self._looked >= _LOOK:
            self._looked = now
            self._look(needed, now)
        return self._remove(needed, now)

    def _look(self, needed: Collection[str], now: float) -> None:
        there = self._copies.digests()
        with self._lock:
            wanted = self._wanted
            unneeded = set() if wanted is None else there.keys() - wanted - set(needed)
            self._since = {digest: self._since.get(digest, now) for digest in unneeded}
        for digest in sorted(one for one in needed if not there.get(one)):
            self._send_again(digest)

    def _send_again(self, digest: str) -> None:
        try:
            self._send(digest)
        except FileNotFoundError as error:  # a replica holds it from an earlier term, and this disk is another one
            log.warning("not_sent_again", digest=digest, detail=f"it has gone from fleet.shared, and {error}")
        else:
            log.warning("sent_again", digest=digest, detail="replicas need it, and it had gone from fleet.shared")

    def _remove(self, needed: Collection[str], now: float) -> list[str]:
        with self._lock:
            due = sorted(digest for digest, since in self._since.items() if now - since >= _UNNEEDED)
        gone = []
        for digest in due[:_MOST]:
            with self._lock:
                if digest in needed or self._since.pop(digest, None) is None:
                    continue
                self._copies.remove(digest)
            gone.append(digest)
        if gone:
            log.info("collected_shared", artifacts=len(gone))
        return gone
