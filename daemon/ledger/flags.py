"""Small values by channel and name: whether it is pinned or paused, and the newest sighting that went live."""

from typing import Any

from .channel import DEFAULT
from .file import LedgerDown, LedgerFile
from .holds import HOLDS, read_flag, write_flag

__all__ = ["HOLDS", "Flags"]


class Flags:
    """Flags outlive the process. Every method is legal on any thread and raises LedgerDown."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def pinned(self, channel: str = DEFAULT) -> bool:
        """Tell whether what a channel has live stays live until the operator unpins; read from the file each time."""
        return bool(self.get("pinned", default=False, channel=channel))

    def paused(self, channel: str = DEFAULT) -> bool:
        """Tell whether the queue of a channel is paused; read from the file each time."""
        return bool(self.get("paused", default=False, channel=channel))

    def held(self, name: str, channel: str = DEFAULT) -> bool:
        """Tell whether a hold is set; while the ledger is down, from the file beside it. Does not raise."""
        try:
            return bool(self.get(name, default=False, channel=channel))
        except LedgerDown:
            return (channel, name) in self._file.holds.kept()

    def holding(self, name: str) -> frozenset[str]:
        """Name the channels in which a hold is set."""
        with self._file.reading() as database:
            found = database.execute("SELECT channel FROM flags WHERE name = ? AND value = 'true'", (name,))
            return frozenset(str(channel) for (channel,) in found)

    def get(self, name: str, default: Any = None, *, channel: str = DEFAULT) -> Any:
        """Read a flag: ``pinned``, ``paused``, ``high_water``."""
        with self._file.reading() as database:
            return read_flag(database, channel, name, default)

    def set(self, name: str, value: Any, *, channel: str = DEFAULT) -> None:
        """Write a flag; a hold is also kept in the file beside the ledger, once the transaction is durable."""
        with self._file.writing() as database:
            write_flag(database, channel, name, value)
            if name in HOLDS:
                self._file.holds.change()

    def forget(self, channel: str) -> None:
        """Remove every flag of a channel."""
        with self._file.writing() as database:
            database.execute("DELETE FROM flags WHERE channel = ?", (channel,))
            self._file.holds.change()
