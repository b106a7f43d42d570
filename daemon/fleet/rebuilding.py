"""What a watcher does before its service starts: the ledger, the pointers and the copies that its disk lacks.

The disk may be empty, or that of a watcher that was believed dead while another one went on. Whichever has come
further, the ledger here or the journal in `fleet.shared`, is what is known. What is live is what the fleet's pointer
says, but for a change that the ledger has and the pointer does not have yet: that is finished at the start.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from hotswapd.daemon.config.settings import ConfigError
from hotswapd.daemon.ledger.changed import apply
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.schema import Foreign, connect, set_aside
from hotswapd.loaders.errors import Refused, Unavailable
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.store.syncing import fsync_directory

from .shared import journal
from .shared.copies import SharedCopies
from .shared.place import Place
from .shared.pointer import Pointer

log = structlog.get_logger(__name__)
_FRESH = "ledger.rebuilt"


def rebuild(place: Place, ledger: Path) -> bool:
    """Make the ledger anew if the journal has come further; return whether it did. The old file is set aside.

    Raises ConfigError for a journal that cannot be read, Unavailable, or sqlite3.Error; the old file stays then.
    """
    newest, own = journal.newest(place), _own_position(ledger)
    if newest <= own:
        return False
    fresh = ledger.with_name(_FRESH)
    _remove(fresh)
    try:
        _write(place, fresh)
    except (journal.NewerJournal, ValueError) as error:
        raise ConfigError("fleet.shared", f"the journal in {place} cannot be read: {error}") from None
    if ledger.exists():
        log.warning("ledger_outpaced", moved_to=str(set_aside(ledger)), own=own, journal=newest)
    ledger.with_name("holds.json").unlink(missing_ok=True)  # the journal has the holds, too
    fresh.rename(ledger)
    fsync_directory(ledger.parent)
    log.info("ledger_rebuilt", term=newest[0], entries=newest[1] + 1)
    return True


def _own_position(ledger: Path) -> journal.Position:
    """Return how far the ledger here has come; NOWHERE if there is none, or it is damaged. Raises sqlite3.Error."""
    if not ledger.exists():
        return journal.NOWHERE
    try:
        with _opened(ledger) as database:
            return journal.position(database)
    except Foreign:
        return journal.NOWHERE


def _write(place: Place, fresh: Path) -> None:
    with _opened(fresh) as database:
        database.execute("BEGIN IMMEDIATE")
        at = journal.NOWHERE
        for entry in journal.read(place):
            apply(database, entry.changes)
            at = entry.at
        journal.note_position(database, at)
        database.execute("COMMIT")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    database = connect(path)
    try:
        yield database
    finally:
        database.close()


def _remove(path: Path) -> None:
    for one in (path, path.with_name(f"{path.name}-journal")):
        one.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Settling:
    """Brings the store of a watcher in line with what the fleet serves."""

    store: Store
    ledger: Ledger
    copies: SharedCopies
    most: int
    """Bytes that a file of an adapter may have."""

    def settle(self, pointer: Pointer, *, rebuilt: bool) -> None:
        """Write the channels' own pointers where they are missing, all of them after a rebuild. Raises Unavailable.

        Raises LedgerDown.
        """
        known = {DEFAULT, *self.ledger.channels.all()}
        routes = pointer.routes.keys() if not self.ledger.rows.history(1) else pointer.routes.keys() & known
        for name in sorted(known | routes):
            if rebuilt or self.store.pointer(name) is None:
                self._point(name, pointer)

    def _point(self, name: str, pointer: Pointer) -> None:
        said = [one for one in (pointer.routes.get(name), self._live(name)) if one is not None]
        if said:
            record = max(said, key=lambda one: float(one.get("since", 0.0)))
            self.store.point(dict(record), pointer.highest, name)
        elif self.store.pointer(name) is not None:
            self.store.unpoint(name)

    def _live(self, name: str) -> Mapping[str, Any] | None:
        """Return what the ledger says is live, as a pointer's record."""
        row = self.ledger.rows.live(name)
        number = None if row is None else row.generation
        found = None if not number else self.ledger.generations.get(number)
        return None if found is None else found.record()

    def fetch(self, keep: int) -> None:
        """Copy what a restart or a rollback needs from `fleet.shared`; what is not there any more is left out."""
        pointed = [record for name in (DEFAULT, *self.store.pointed()) if (record := self.store.pointer(name))]
        needed = {str(record["digest"]) for record in pointed if record["generation"]}
        for digest in sorted(needed | self.ledger.generations.kept(keep, ())):
            try:
                self.copies.fetch(digest, self.store, self.most)
            except (Unavailable, Refused) as error:
                log.warning("not_fetched", digest=digest, detail=str(error))
