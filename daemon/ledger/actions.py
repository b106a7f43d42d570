"""What operators asked for, what came of it, and who they were."""

import time

from hotswapd.daemon.answers import Action

from .file import LedgerFile
from .moment import moment

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

    def newest(self, limit: int) -> list[Action]:
        """Return actions, newest first."""
        with self._file.reading() as database:
            found = database.execute(f"SELECT {', '.join(_NAMES)} FROM actions ORDER BY id DESC LIMIT ?", (limit,))
            return [_read(*one) for one in found]


def _read(at: float, action: str, argument: str, result: str, *peer: int | None) -> Action:
    pid, uid, gid = peer
    return {
        "at": moment(at),
        "action": action,
        "argument": argument,
        "result": result,
        "pid": pid,
        "uid": uid,
        "gid": gid,
    }
