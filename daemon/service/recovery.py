"""Recovery: store, ledger and pointer, as an earlier process left them, are brought into a state to start from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from hotswapd.daemon.config.settings import ConfigError
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.journal import Journal
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown, NewerLedger
from hotswapd.daemon.ledger.rows import OPERATOR, Row
from hotswapd.daemon.live.restore import pointed_at
from hotswapd.daemon.pipeline.sightings import Sightings
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.limit import Limit, NoLimit
from hotswapd.loaders.store.store import Store

from .state_dir import StateDir

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the daemon remembers. `pointed` is what the pointers name, by channel.

    `guarded` means that the ledger is new although a generation was live: then an adapter is not newer just because the
    ledger does not know it.
    """

    store: Store
    ledger: Ledger
    pointed: Mapping[str, Generation]
    guarded: bool


def remember(
    state: StateDir,
    on_change: Callable[[Sequence[Row]], None],
    limit: Callable[[Ledger], Limit] = lambda _: NoLimit(),
    journal: Journal | None = None,
) -> Memory:
    """Open store and ledger; `limit` makes that of the store, `journal` is told what the ledger writes.

    Raises ConfigError if the store cannot be used, or the ledger is a newer version's.
    """
    try:
        ledger = Ledger(state.ledger, on_change, journal)
    except NewerLedger as error:
        raise ConfigError("state.dir", str(error)) from None
    try:
        store = Store(state.store, on_step=failpoint, limit=limit(ledger))
    except OSError as error:
        raise ConfigError("state.dir", f"{state.store} cannot be used: {error.strerror or error}") from None
    channels = (DEFAULT, *store.pointed())
    pointed = {name: found for name in channels if (found := pointed_at(store, name)) is not None}
    guarded = ledger.was_lost or (bool(pointed) and _has_no_past(ledger))
    return Memory(store, ledger, pointed, guarded)


def recover(memory: Memory, sources: Iterable[str]) -> None:
    """Clean up after a process that may have died at any moment; `sources` are the configured ones."""
    ledger, pointed = memory.ledger, memory.pointed
    try:
        memory.store.wipe_stages()
        ledger.attempts.count_deaths()
        failpoint("recover")
        for one in pointed.values():
            if one.number or one.swap_id:
                ledger.adopt(one, OPERATOR)
        ledger.recover()
        Sightings(ledger, ()).give_up_others(sources)
    except (LedgerDown, Unavailable) as error:
        log.error("state_degraded", detail=str(error))  # noqa: TRY400 - the sentence says it


def _has_no_past(ledger: Ledger) -> bool:
    """Tell whether the ledger is empty: somebody deleted its file."""
    try:
        return not ledger.rows.history(1)
    except LedgerDown:
        return False
