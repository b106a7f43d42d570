"""Notice that a file system is mounted or unmounted at, above or below a watched directory.

A volume that is mounted again may come with the same device number, inode and even mount number, so nothing that `stat`
shows tells it from the one that was there; its events are gone all the same.
"""

import logging
import os
import re
import select
import threading
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

MOUNTINFO = "/proc/self/mountinfo"
_JOIN_SECONDS = 5.0
Mount = tuple[str, ...]


def mounts_of(path: str, mountinfo: str = MOUNTINFO) -> tuple[Mount, ...]:
    """Return the identities of the mount that `path` lies in and of those below it; empty if they are unknown.

    An identity has the mount's number, device, root and place; options are no part of it.
    """
    try:
        real = os.path.realpath(path)
        with Path(mountinfo).open(encoding="utf-8", errors="surrogateescape") as lines:
            found = [_identity(line) for line in lines]
    except OSError:
        return ()
    above = [one for one in found if _within(real, one[-1])]
    # A later mount at the same place hides the earlier one.
    here = max(enumerate(above), key=lambda one: (len(one[1][-1]), one[0]), default=None)
    below = [one for one in found if one[-1] != real and _within(one[-1], real)]
    return ((here[1],) if here else ()) + tuple(below)


def _identity(line: str) -> Mount:
    number, _, device, root, place = line.split(" ", 5)[:5]
    return number, device, root, re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place)


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


class MountAlarm:
    """Calls back, on a thread of its own, when the mounts of a directory have changed. `stop` ends the thread."""

    def __init__(self, path: str, on_change: Callable[[], object]) -> None:
        """Remember the mounts as they are now. Raises OSError where the kernel does not tell of them."""
        self._path = path
        self._on_change = on_change
        self._before = mounts_of(path)
        self._table = os.open(MOUNTINFO, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._ends, self._end = os.pipe()
        except BaseException:
            os.close(self._table)
            raise
        self._lock = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="mounts", daemon=True)
        self._thread.start()

    def changed(self) -> bool:
        """Return whether the mounts are others than at the beginning."""
        return mounts_of(self._path) != self._before

    def stop(self) -> None:
        """End the thread and wait for it. Safe to call twice."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        os.write(self._end, b"!")
        self._thread.join(_JOIN_SECONDS)
        for fd in (self._table, self._ends, self._end):
            os.close(fd)

    def _run(self) -> None:
        waits = select.poll()
        waits.register(self._table, select.POLLPRI)
        waits.register(self._ends, select.POLLIN)
        while True:
            ready = {fd for fd, _ in waits.poll()}
            if self._ends in ready:
                return
            if self.changed():
                self._on_change()
