"""The ledger's file: one connection, one lock, transactions, and what happens when the disk refuses."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

from .holds import Holds
from .journal import Journal, NoJournal, Outpaced
from .rows import Row
from .schema import LOCK_WAIT, Foreign, Newer, connect, set_aside

log = structlog.get_logger(__name__)
_BRIEF = 0.25
"""Seconds that each call waits for another program's lock once one call has failed; until a write succeeds again."""


OnChange = Callable[[Sequence[Row]], None]


class LedgerDown(Exception):
    """The ledger cannot be written or read now: what is live stays live, and nothing new goes live."""


class NewerLedger(Exception):
    """A newer version of this program has written the ledger: this one leaves it alone. The text says what to do."""


class LedgerFile:
    """One SQLite file with one writer. Every method is legal on any thread.

    A file that is corrupt or foreign is moved aside (`was_lost` is set) and a new one is made. When the disk refuses,
    LedgerDown is raised, `trouble` holds the sentence, and each later call tries again. `on_change` gets the rows whose
    change of state is durable, on the thread that made it, without the lock.
    """

    def __init__(self, path: Path, on_change: Callable[[Sequence[Row]], None], journal: Journal | None = None) -> None:
        """Open it, or leave that to a later call if the disk refuses. Raises NewerLedger."""
        self.path = path
        self.journal: Journal = journal or NoJournal()
        self.holds = Holds(path)
        self.was_lost = False
        self.trouble = ""
        self._on_change = on_change
        self._lock = threading.RLock()
        self._database: sqlite3.Connection | None = None
        self._untold: list[Row] = []
        self._stale = False
        try:
            with self.reading():
                self.trouble = ""
        except LedgerDown as down:
            if isinstance(down.__cause__, Newer):
                do = "start the newer version, or restore the copy of the state directory that was made before it"
                raise NewerLedger(f"{path} was written by a newer version: {down.__cause__}; {do}") from None

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to this thread alone. Raises LedgerDown."""
        with self._lock:
            try:
                yield self._connection()
            except sqlite3.Error as error:
                self.trouble = f"the ledger {self.path} cannot be used: {error}; free space or fix its permissions"
                # A connection that was made while the disk was read-only would stay read-only for ever.
                self._stale = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
                self._wait_for_locks(_BRIEF)
                raise LedgerDown(self.trouble) from error

    def _wait_for_locks(self, seconds: float) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._database is not None:
                self._database.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")

    def _connection(self) -> sqlite3.Connection:
        if self._stale and self._database is not None and not self._database.in_transaction:
            self.close()
        self._stale = False
        return self._database or self._open()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection inside a transaction, or inside the one under way on this thread. Raises LedgerDown."""
        with self.reading() as database:
            if database.in_transaction:
                yield database
                return
            with self._committing(database):
                yield database
            changed, self._untold = self._untold, []
        self._publish()
        if changed:
            self._on_change(changed)

    def _publish(self) -> None:
        """Let nobody hear of a change that another process may undo. Raises LedgerDown; the change is durable here."""
        try:
            self.journal.publish()
        except Outpaced as error:
            raise LedgerDown(str(error)) from None

    def tell(self, rows: Sequence[Row]) -> None:
        """Tell `on_change` of these rows once the transaction that is under way is durable."""
        self._untold += rows

    @contextlib.contextmanager
    def _committing(self, database: sqlite3.Connection) -> Iterator[None]:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.journal.ending(database)
            database.execute("COMMIT")
        except BaseException:
            self._untold.clear()
            if database.in_transaction:  # if the disk is full SQLite has rolled back by itself
                database.execute("ROLLBACK")
            raise
        if self.trouble:
            self.trouble = ""
            self._wait_for_locks(LOCK_WAIT)
        self.journal.ended()
        self.holds.committed(database)

    def _open(self) -> sqlite3.Connection:
        is_new = not self.path.exists() or not self.path.stat().st_size
        try:
            self._database = connect(self.path)
        except Foreign as error:
            try:
                away = set_aside(self.path)
            except OSError as refused:
                raise sqlite3.OperationalError(f"{error}, and it cannot be moved aside: {refused}") from refused
            log.error("ledger_unreadable", path=str(self.path), moved_to=str(away), detail=str(error))  # noqa: TRY400
            self.was_lost = is_new = True
            self._database = connect(self.path)
        self.journal.opened(self._database)
        if is_new:
            self.holds.restore(self._database)
        return self._database
