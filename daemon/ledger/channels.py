"""Which channels there are: a channel exists from the first adapter that is for it until an operator removes it."""

import time
from collections.abc import Iterable

from .channel import DEFAULT
from .file import LedgerFile
from .states import OPEN, REFUSED

_OPEN = ", ".join(f"'{state.value}'" for state in sorted(OPEN))
_REFUSED = ", ".join(f"'{state.value}'" for state in sorted(REFUSED))


class Channels:
    """The channels that the ledger knows. Every method is legal on any thread and raises LedgerDown."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def all(self) -> list[str]:
        """Name them, in the order of their names; the default channel, which always exists, is not among them."""
        with self._file.reading() as database:
            return [str(name) for (name,) in database.execute("SELECT name FROM channels ORDER BY name")]

    def make(self, names: Iterable[str]) -> None:
        """Note that these exist, if they do not yet."""
        with self._file.writing() as database:
            values = [(name, time.time()) for name in names if name != DEFAULT]
            database.executemany("INSERT OR IGNORE INTO channels VALUES (?, ?)", values)

    def waiting(self) -> dict[str, int]:
        """Count what may still go live in each channel that has such rows."""
        with self._file.reading() as database:
            found = database.execute(f"SELECT channel, count(*) FROM swaps WHERE state IN ({_OPEN}) GROUP BY channel")
            return {str(channel): int(count) for channel, count in found}

    def refused(self) -> dict[str, str]:
        """Map each channel whose newest adapter was refused to the reason."""
        newest = "(SELECT max(seq) FROM swaps WHERE channel = name)"
        there = f"(SELECT name FROM channels UNION SELECT '{DEFAULT}')"
        with self._file.reading() as database:
            found = database.execute(
                f"SELECT channel, reason FROM {there} JOIN swaps ON seq = {newest} WHERE state IN ({_REFUSED})"
            )
            return {str(channel): str(reason) for channel, reason in found}

    def forget(self, name: str, *, purge: bool) -> None:
        """Note that a channel is gone; with `purge` its rows, events and places go too."""
        with self._file.writing() as database:
            database.execute("DELETE FROM channels WHERE name = ?", (name,))
            database.execute("DELETE FROM attempts WHERE channel = ?", (name,))
            if purge:
                ids = "SELECT swap_id FROM swaps WHERE channel = ?"
                database.execute(f"DELETE FROM events WHERE swap_id IN ({ids})", (name,))
                database.execute("DELETE FROM places WHERE channel = ?", (name,))
                database.execute("DELETE FROM swaps WHERE channel = ?", (name,))
