"""The operator's holds, kept in a small file beside the ledger too: a ledger that is lost must not lose a pin."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import structlog

from hotswapd.loaders.store.disk import write_durably

from .channel import DEFAULT

log = structlog.get_logger(__name__)

HOLDS = ("pinned", "paused")
_OTHERS = "channels"


def read_flag(database: sqlite3.Connection, channel: str, name: str, default: Any) -> Any:
    """Read a row of the table of flags."""
    found = database.execute("SELECT value FROM flags WHERE channel = ? AND name = ?", (channel, name)).fetchone()
    return json.loads(found[0]) if found else default


def write_flag(database: sqlite3.Connection, channel: str, name: str, value: Any) -> None:
    """Write a row of the table of flags."""
    database.execute("INSERT OR REPLACE INTO flags VALUES (?, ?, ?)", (channel, name, json.dumps(value)))


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
            write_durably(self._path, json.dumps(_holds(database)).encode())
        except (OSError, sqlite3.Error) as error:
            log.warning("holds_not_kept", detail=f"a pin or a pause would not outlive the ledger: {error}")

    def restore(self, database: sqlite3.Connection) -> None:
        """Set in a new ledger what was held in the one that was lost."""
        for channel, name in self.kept():
            write_flag(database, channel, name, value=True)

    def kept(self) -> list[tuple[str, str]]:
        """List what was held, as channel and name: nothing if there is no file, or a damaged one."""
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return []
        if not isinstance(found, dict):
            return []
        others = found.get(_OTHERS)
        channels = {**others, DEFAULT: found} if isinstance(others, dict) else {DEFAULT: found}
        held = ((channel, name) for channel in channels for name in HOLDS)
        return [one for one in held if _is_held(channels, *one)]


def _is_held(channels: Any, channel: str, name: str) -> bool:
    held = channels[channel]
    return isinstance(held, dict) and held.get(name) is True


def _holds(database: sqlite3.Connection) -> dict[str, Any]:
    """Read all holds: the default channel's at the top, where versions without channels have theirs."""
    marks = ",".join("?" * len(HOLDS))
    held = database.execute(f"SELECT channel, name FROM flags WHERE name IN ({marks}) AND value = 'true'", HOLDS)
    channels: dict[str, dict[str, Any]] = {DEFAULT: dict.fromkeys(HOLDS, False)}
    for channel, name in held.fetchall():
        channels.setdefault(channel, {})[name] = True
    holds = channels.pop(DEFAULT)
    return holds | ({_OTHERS: channels} if channels else {})
