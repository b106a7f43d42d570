"""What operators asked for, what came of it, and who they were."""

import time
from typing import Any

from .file import LedgerFile

_NAMES = ("at", "action", "argument", "result", "pid", "uid", "gid")


class Actions:
    """The operators' actions. Every method is legal on any thread and raises LedgerDown."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def note(self, action: str, argument: str, result: str, peer: tuple[int, int, int] | None) -> None:
        """Write an action; `peer` is (pid, uid, gid), or None when the daemon acted by itself."""
        pid, uid, gid = peer or (None, None, None)
        with self._file.writing() as database:
            database.execute(
                f"INSERT INTO actions ({', '.join(_NAMES)}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (time.time(), action, argument, result, pid, uid, gid),
            )

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return actions, newest first; `at` is in seconds since the epoch."""
        with self._file.reading() as database:
            found = database.execute(f"SELECT {', '.join(_NAMES)} FROM actions ORDER BY id DESC LIMIT ?", (limit,))
            return [dict(zip(_NAMES, one, strict=True)) for one in found]
