"""What goes first when the store would exceed `state.max_bytes`, and what never goes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from hotswapd.daemon.config.current import Current
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.ledger.generations import Missed, Rank
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown

log = structlog.get_logger(__name__)
IDLE = ("previous", "candidate")
"""What lies in a berth without answering anybody: its bytes in the store are not needed for that."""


@dataclass(frozen=True, slots=True)
class Eviction:
    """The store's limit. Legal on any thread."""

    ledger: Ledger
    standing: Standing
    current: Current

    def bytes(self) -> int:
        """Return `state.max_bytes`."""
        return self.current.now.state.max_bytes

    def spare(self, digests: Collection[str]) -> Sequence[str]:
        """Order what may go: by `Missed`, and in each the oldest first.

        Not what is live or answering, what is being tried, and the newest candidate of each channel; nothing at all
        while the ledger cannot be read.
        """
        try:
            return self._order(digests)
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))
            return ()

    def _order(self, digests: Collection[str]) -> Sequence[str]:
        ranks = self._waiting() | self.ledger.generations.ranks(digests)
        spared = set(digests) - self._needed()
        return sorted(spared, key=lambda digest: ranks.get(digest, (Missed.NOT, 0)))

    def _waiting(self) -> dict[str, Rank]:
        return {digest: (Missed.OLDER_CANDIDATE, seq) for digest, seq in self.ledger.rows.waiting().items()}

    def _needed(self) -> set[str]:
        part = self.standing.part
        answering = {one.digest for one in part.loaded() if one.use not in IDLE}
        return answering | {one.digest for one in part.lives()} | self.ledger.rows.needed()
