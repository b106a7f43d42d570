"""The operator's holds, kept in a small file beside the ledger too: a ledger that is lost must not lose a pin."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import structlog

from hotswapd.loaders.store.disk import write_durably

log = structlog.get_logger(__name__)

HOLDS = ("pinned", "paused")


def read_flag(database: sqlite3.Connection, name: str, default: Any) -> Any:
    """Read a row of the table of flags."""
    found = database.execute("SELECT value FROM flags WHERE name = ?", (name,)).fetchone()
    return json.loads(found[0]) if found else default


def write_flag(database: sqlite3.Connection, name: str, value: Any) -> None:
    """Write a row of the table of flags."""
    database.execute("INSERT OR REPLACE INTO flags VALUES (?, ?)", (name, json.dumps(value)))


class Holds:
    """The file beside one ledger. Its caller holds the lock of the ledger."""

    def __init__(self, ledger: Path) -> None:
        self._path = ledger.with_name("holds.json")
        self._is_changed = False

    def change(self) -> None:
        """Remember that the transaction that is under way has set a hold."""
        self._is_changed = True

    def committed(self, database: sqlite3.Connection) -> None:
        """Write what is held, if that has changed; what cannot be written here is in the ledger all the same."""
        if not self._is_changed:
            return
        self._is_changed = False
        try:
            holds = {name: bool(read_flag(database, name, default=False)) for name in HOLDS}
            write_durably(self._path, json.dumps(holds).encode())
        except (OSError, sqlite3.Error) as error:
            log.warning("holds_not_kept", detail=f"a pin or a pause would not outlive the ledger: {error}")

    def restore(self, database: sqlite3.Connection) -> None:
        """Set in a new ledger what was held in the one that was lost."""
        for name in self.kept():
            write_flag(database, name, value=True)

    def kept(self) -> list[str]:
        """Name what was held: nothing if there is no file, or a damaged one."""
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return []
        return [name for name in HOLDS if isinstance(found, dict) and found.get(name) is True]
