"""Small values by name: whether the operator has pinned or paused, and the newest sighting that went live."""

from typing import Any

from .file import LedgerDown, LedgerFile
from .holds import HOLDS, read_flag, write_flag

__all__ = ["HOLDS", "Flags"]


class Flags:
    """Flags outlive the process. Every method is legal on any thread and raises LedgerDown."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    @property
    def pinned(self) -> bool:
        """Whether what is live stays live until the operator unpins; read from the file each time."""
        return bool(self.get("pinned", default=False))

    @property
    def paused(self) -> bool:
        """Whether the queue is paused; read from the file each time."""
        return bool(self.get("paused", default=False))

    def held(self, name: str) -> bool:
        """Tell whether a hold is set; while the ledger is down, from the file beside it. Does not raise."""
        try:
            return bool(self.get(name, default=False))
        except LedgerDown:
            return name in self._file.holds.kept()

    def get(self, name: str, default: Any = None) -> Any:
        """Read a flag: ``pinned``, ``paused``, ``high_water``."""
        with self._file.reading() as database:
            return read_flag(database, name, default)

    def set(self, name: str, value: Any) -> None:
        """Write a flag; a hold is also kept in the file beside the ledger, once the transaction is durable."""
        with self._file.writing() as database:
            write_flag(database, name, value)
            if name in HOLDS:
                self._file.holds.change()
