"""``state.max_bytes``: what goes from the store although it would be kept for a rollback."""

from collections.abc import Collection

import structlog

from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.loaders.store.store import Store

log = structlog.get_logger(__name__)


def beyond_cap(store: Store, ledger: Ledger, spare: Collection[str], needed: Collection[str], most: int) -> set[str]:
    """Choose digests of `spare`, those that were live longest ago first, until what is left has at most `most` bytes.

    What is `needed` counts, and is never chosen: it is live somewhere, answers, or waits to go live. 0 is no cap.
    Raises LedgerDown.
    """
    sizes = {digest: found.size for digest in {*spare, *needed} if (found := store.find(digest)) is not None}
    left = sum(sizes.values())
    if not most or left <= most:
        return set()
    chosen = set()
    for digest in ledger.generations.oldest_first(set(spare) - set(needed)):
        if left <= most:
            break
        left -= sizes.get(digest, 0)
        chosen.add(digest)
    if left > most:
        log.warning("store_over_cap", bytes=left, max_bytes=most, detail="all that is left is live or waits to go live")
    return chosen
