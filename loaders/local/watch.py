"""Shorten the wait between two scans: inotify, through watchdog, rings the bell, and the scan decides.

Events are hints. They get lost when the kernel's queue overflows, a watch limit is hit, or the root is renamed or
unmounted, and writes from another machine never cause any. So nothing here says what happened.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from hotswapd.loaders.backoff import backoff
from hotswapd.loaders.bell import Bell

log = logging.getLogger(__name__)

_FIRST_RETRY = 1.0
_LAST_RETRY = 30.0
# How long to keep a watch that lacks some directories before trying again to get all of them (seconds).
_LIMIT_RETRY = 300.0
# File systems on which other machines write unseen by this kernel.
_REMOTE = re.compile(
    r"nfs4?|cifs|smb3|smbfs|9p|afs|beegfs|ceph|gpfs|lustre|orangefs|pvfs2|vboxsf|vmhgfs|virtiofs|fuse(\..*)?"
)


class Running(Protocol):
    """An observer at work."""

    @property
    def limited(self) -> bool:
        """Whether some directory could not be watched."""
        ...

    def alive(self) -> bool:
        """Return whether events can still arrive."""
        ...

    def stop(self) -> None:
        """Stop it and its threads."""
        ...


def start_observer(path: str, bell: Bell) -> Running:
    """Start inotify on `path`. Raises OSError, or ImportError on a system without it."""
    from .inotify import Observer

    return Observer(path, bell)


class TreeWatch:
    """A recursive inotify watch that is rebuilt when it dies or its root was replaced.

    `ensure` is called on the source's thread, `close` on any.
    """

    def __init__(
        self,
        path: str,
        bell: Bell,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[str, Bell], Running] | None = None,
    ) -> None:
        """Watch nothing yet; `start` makes a running observer and may raise OSError or ImportError."""
        self._path = path
        self._bell = bell
        self._clock = clock
        self._start = start or start_observer
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._root: tuple[int, int] | None = None
        self._retry_at = float("-inf")
        self._pauses = backoff(_FIRST_RETRY, _LAST_RETRY)
        self._closed = False

    def ensure(self, root: os.stat_result) -> bool:
        """Watch the directory that `root` describes; return whether its events are reliable."""
        identity = (root.st_dev, root.st_ino)
        with self._lock:
            if self._closed:
                return False
            if self._running is not None and self._is_stale(self._running, identity):
                self._drop()
            if self._running is None and not is_remote(root.st_dev) and self._clock() >= self._retry_at:
                self._rebuild(identity)
            return self._running is not None and not self._running.limited

    def root_lost(self) -> None:
        """Stop watching a root that is gone; the next `ensure` starts again at once."""
        with self._lock:
            self._drop()
            self._retry_at = float("-inf")
            self._pauses = backoff(_FIRST_RETRY, _LAST_RETRY)

    def close(self) -> None:
        """Stop watching for good. Safe to call twice."""
        with self._lock:
            self._closed = True
            self._drop()

    def _is_stale(self, running: Running, identity: tuple[int, int]) -> bool:
        if identity != self._root:
            log.warning("%s is not the same directory as before: the watch is started again", self._path)
            self._retry_at = float("-inf")
            return True
        if not running.alive():
            log.warning("the watch of %s died: it is started again", self._path)
            return True
        return running.limited and self._clock() >= self._retry_at + _LIMIT_RETRY

    def _rebuild(self, identity: tuple[int, int]) -> None:
        self._retry_at = self._clock() + next(self._pauses)
        try:
            self._running = self._start(self._path, self._bell)
        except (OSError, ImportError) as error:
            log.warning("%s is not watched (%s): it is only scanned until the next try", self._path, error)
            return
        self._root = identity
        if self._running.alive():
            self._pauses = backoff(_FIRST_RETRY, _LAST_RETRY)

    def _drop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop()


def is_remote(device: int, mountinfo: str = "/proc/self/mountinfo") -> bool:
    """Return whether `device` (st_dev) is a file system on which others write unseen; False if unknown."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with Path(mountinfo).open(encoding="utf-8", errors="surrogateescape") as lines:
            kinds = {_kind(line) for line in lines if line.split(" ", 3)[2] == number}
    except OSError:
        return False
    return any(_REMOTE.fullmatch(kind) for kind in kinds)


def _kind(line: str) -> str:
    """Return the file system type of a mountinfo line: the first word after the lone dash."""
    return line.partition(" - ")[2].split(" ", 1)[0]
