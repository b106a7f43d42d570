"""Write-behind for a copy: what was written is hashed and synced while more of it is read."""

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

_WORTH_IT = 8 << 20
"""Bytes of a file from which threads are started; most files are smaller and are hashed at once."""
_BATCH = 64 << 20
"""Bytes that are synced together."""


class WriteBehind:
    """Two threads for one file: one hashes, one syncs. Entered and used on the thread that writes; none is left after.

    Hashing two gigabytes takes as long as writing them, and so does syncing them: one after the other they took most
    of the time between a drop and its swap.
    """

    def __init__(self, fd: int, sha: "hashlib._Hash") -> None:
        self._fd, self._sha = fd, sha
        self._pool: ThreadPoolExecutor | None = None
        self._hashing: Future[None] | None = None
        self._syncing: Future[None] | None = None
        self._written = self._unsynced = 0

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until no thread uses the descriptor."""
        if self._pool is not None:
            self._pool.shutdown()

    def wrote(self, chunk: bytes) -> None:
        """Hash a chunk that was written, and sync now and then. Raises OSError if an earlier sync failed."""
        self._written += len(chunk)
        self._unsynced += len(chunk)
        if self._written <= _WORTH_IT:
            self._sha.update(chunk)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(2, thread_name_prefix="store")
        _wait(self._hashing)
        self._hashing = self._pool.submit(self._sha.update, chunk)
        if self._unsynced >= _BATCH and (self._syncing is None or self._syncing.done()):
            _wait(self._syncing)
            self._syncing, self._unsynced = self._pool.submit(os.fdatasync, self._fd), 0

    def finish(self) -> None:
        """Wait for the last hash and sync. Raises OSError if a sync failed: the kernel reports that only once."""
        _wait(self._hashing)
        _wait(self._syncing)


def _wait(future: "Future[None] | None") -> None:
    if future is not None:
        future.result()
