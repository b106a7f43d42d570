"""Adapters' bytes on one machine: once for all of its replicas, and for as long as one of them needs them.

Whoever needs a digest has a shared lock on a file of its name; the last one to let go removes the bytes. The kernel
takes a lock away from a process that dies, however it does. The files of a machine are read from its page cache, so
they are in memory once, too.
"""

import fcntl
import os
import stat
from collections.abc import Collection
from pathlib import Path

from hotswapd.daemon.errors import FleetCode
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store

from .copies import SharedCopies

_LOCKS = "locks"
_ROOM = "room"
"""The lock that every process has as long as it lives: whoever has it alone clears up after those that died."""
_BRINGING = "bringing"
"""The lock of whoever copies bytes here."""


class NodeCopies:
    """What the replicas of this machine share. For one thread of each process."""

    def __init__(self, copies: SharedCopies, room: Path, most: int) -> None:
        """Share the directory `room`; `most` is how many bytes a file may have. Raises Unavailable or OSError."""
        _require_own(room)
        self._copies = copies
        self._most = most
        self._locks = room / _LOCKS
        self._locks.mkdir(mode=0o700, exist_ok=True)
        self._held: dict[str, tuple[int, Path]] = {}
        """What this process needs: the lock, and where the bytes are."""
        self._room = self._open(_ROOM)
        alone = _try_lock(self._room)
        self._store = Store(room)
        if alone:
            self._clear()
        fcntl.flock(self._room, fcntl.LOCK_SH)

    def fetch(self, digest: str) -> Path:
        """Return the directory with these bytes, which have been compared with their digest by this process.

        It stays until `release`. Raises Unavailable or Refused.
        """
        if digest not in self._held:
            self._held[digest] = self._take(digest)
        return self._held[digest][1]

    def release(self, keep: Collection[str]) -> None:
        """Need nothing any more but these."""
        for digest in [one for one in self._held if one not in keep]:
            lock, _ = self._held.pop(digest)
            try:
                if _try_lock(lock):
                    self._forget(digest)
            finally:
                os.close(lock)

    def close(self) -> None:
        """Need nothing any more, and leave."""
        self.release(())
        os.close(self._room)

    def _take(self, digest: str) -> tuple[int, Path]:
        """Return the lock under which these bytes are there, and are right, and their directory."""
        while True:
            lock = self._open(digest)
            try:
                fcntl.flock(lock, fcntl.LOCK_SH)
                if self._is_named(digest, lock):  # so nobody removes it
                    path = self._bring(digest, lock)
                    if self._is_named(digest, lock):
                        return lock, path
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)

    def _bring(self, digest: str, lock: int) -> Path:
        """Copy it here, unless it is there and right. One process after the other, so that the next finds it."""
        bringing = self._open(_BRINGING)
        try:
            fcntl.flock(bringing, fcntl.LOCK_EX)
            if self._is_damaged(digest):
                self._discard(digest, lock)
            return self._copies.fetch(digest, self._store, self._most).path
        finally:
            os.close(bringing)

    def _is_damaged(self, digest: str) -> bool:
        return self._store.find(digest) is not None and not self._store.is_intact(digest)

    def _discard(self, digest: str, lock: int) -> None:
        """Remove what is damaged, unless another process uses it. Raises Unavailable."""
        alone = _try_lock(lock)
        if alone:
            self._store.discard(digest)
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not alone:
            where = self._store.root
            sentence = (
                f"the copy of {digest[:12]} in {where} is damaged, and another replica holds it; it is tried again"
            )
            raise Unavailable(FleetCode.NOT_SHARED, sentence)

    def _forget(self, digest: str) -> None:
        """Remove the bytes and their lock's name, with the lock alone."""
        self._store.discard(digest)
        (self._locks / digest).unlink(missing_ok=True)

    def _is_named(self, digest: str, lock: int) -> bool:
        """Tell whether the lock is still the one of this name: the last holder removes it with the bytes."""
        try:
            there = (self._locks / digest).stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(lock))

    def _open(self, name: str) -> int:
        return os.open(self._locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _clear(self) -> None:
        """Remove what processes have left that are dead, all of it."""
        self._store.wipe_stages()
        self._store.collect(())
        for path in self._locks.iterdir():
            if path.name not in (_ROOM, _BRINGING):
                path.unlink()


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_own(room: Path) -> None:
    """Make the directory, for this user only. Raises Unavailable if somebody else has made it."""
    room.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = room.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        sentence = f"{room} belongs to somebody else; set TMPDIR to a directory of your own"
        raise Unavailable(FleetCode.SHARED_DOWN, sentence)
