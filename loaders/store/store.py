"""The store: private, digest-named copies of adapters, and the pointers to those that are live.

``artifacts/<digest>/`` holds what was committed and never changes; ``stages/`` holds copies under way;
``current.json``, and a file for each other channel, say what to serve after a restart. A copy becomes an artifact by
one rename, after its files and its directory were synced, so every artifact is whole, even after a power cut.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hotswapd.loaders.files import BESIDE, CONFIG, WEIGHTS

from .artifact import Artifact
from .disk import disk_full, remove, store_errors, store_full
from .limit import Limit, NoLimit
from .pointers import DEFAULT, Pointers
from .stage import Stage
from .syncing import fsync_directory
from .tally import Tally

DIGEST = re.compile(r"[0-9a-f]{64}\Z")
READ_BYTES = 1 << 20

log = logging.getLogger(__name__)


class Store:
    """Directory of artifacts named by digest. Every method may be called on any thread."""

    def __init__(
        self,
        root: Path,
        reserve_bytes: int = 256 << 20,
        on_step: Callable[[str], None] = lambda step: None,
        limit: Limit | None = None,
    ) -> None:
        """Open or make the store; `reserve_bytes` of the file system stay free, and it never exceeds its `limit`.

        `on_step` is called after each step at which a process may die: copied, synced, adopted, pointing, collecting.

        Raises OSError if the directories cannot be made private.
        """
        self.root = root
        self.reserve_bytes = reserve_bytes
        self.step = on_step
        self._limit = limit or NoLimit()
        self._artifacts = root / "artifacts"
        self._stages = root / "stages"
        self._lock = threading.RLock()
        self._in_use: set[Path] = set()
        self._young: set[str] = set()
        self._held: list[str] = []
        self._pointers = Pointers(root, lambda: on_step("pointing"))
        for directory in (self._artifacts, self._stages):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if directory.stat().st_mode & 0o777 != 0o700:  # a disk that became read-only can still be read
                directory.chmod(0o700)
        for directory in (root, root.parent):
            with contextlib.suppress(OSError):  # a disk that became read-only has nothing to sync
                fsync_directory(directory)
        self._tally = Tally(self._artifacts.iterdir())

    @contextlib.contextmanager
    def stage(self) -> Iterator[Stage]:
        """Yield a private directory (mode 0700), which is removed at the end unless it was committed."""
        with self._lock, store_errors():
            path = Path(tempfile.mkdtemp(dir=self._stages))
            self._in_use.add(path)
        try:
            yield Stage(self, path)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            with self._lock:
                self._in_use.discard(path)
                self._tally.ended(path)

    def require_free(self, size: int) -> None:
        """Make room for `size` bytes below the limit, at the cost of what can be spared.

        Raises Unavailable ``disk_full`` unless they fit and the reserve stays free, ``store_full`` if all that is left
        below the limit is needed.
        """
        with store_errors():
            room = os.statvfs(self.root)
        free = room.f_bavail * room.f_frsize
        if free - size < self.reserve_bytes:
            raise disk_full(f"{free} bytes are free, {size} and a reserve of {self.reserve_bytes} are needed")
        self.make_room(size)

    def claim(self, stage: Path, size: int) -> None:
        """Count bytes that are about to be written into a stage. Called by `Stage` only. Raises Unavailable."""
        self.require_free(size)
        with self._lock:
            self._tally.wrote(stage, size)

    def make_room(self, size: int = 0) -> list[str]:
        """Remove what can be spared until `size` more bytes fit below the limit; return the digests removed.

        What is held, was just committed or is pointed at never goes, whatever the limit says. Raises Unavailable
        ``store_full`` if that is not enough.
        """
        most = self._limit.bytes()
        if not most:
            return []
        with self._lock:
            there, digests = self._tally.total(), self._tally.digests()
        if there + size <= most:
            return []
        order = self._limit.spare(digests)  # without the lock: it asks others, who may wait for the store
        with self._lock, store_errors():
            chosen = self._first_of(order, most - size)
            left = self._tally.total() - self._tally.size(chosen)
            gone = chosen if left + size <= most or not size else []  # nothing goes for what does not fit even so
            self._remove(gone)
        if left + size > most:
            raise store_full(f"{left} bytes of what it holds are needed, {size} more come, and {most} are allowed")
        return gone

    def _first_of(self, order: Iterable[str], most: int) -> list[str]:
        """Choose as many as must go for `most` bytes to be left."""
        safe, chosen = {*self._held, *self._young, *self._pointers.digests()}, list[str]()
        for digest in order:
            if self._tally.total() - self._tally.size(chosen) <= most:
                break
            if digest not in safe:
                chosen.append(digest)
        return chosen

    def _remove(self, digests: Iterable[str]) -> None:
        for digest in digests:
            self._discard(self._artifacts / digest)
            self.step("collecting")
        fsync_directory(self._artifacts)

    def adopt(self, path: Path, copied: Artifact) -> Artifact:
        """Move a finished stage to its digest's name. Called by `Stage.commit` only."""
        final = self._artifacts / copied.digest
        with self._lock, store_errors():
            self._young.add(copied.digest)
            if not self.is_intact(copied.digest):
                self._discard(final)
                fsync_directory(path)
                self.step("synced")
                path.rename(final)
                self.step("adopted")
            else:
                _renew_beside(path, final)
            fsync_directory(self._artifacts)
            self._tally.ended(path)
            self._tally.put(final)
        return Artifact(final, copied.digest, copied.size)

    def find(self, digest: str) -> Artifact | None:
        """Return the artifact with this digest, or None; its bytes are not read again."""
        if not DIGEST.match(digest):
            return None
        path = self._artifacts / digest
        try:
            found = [(path / name).lstat() for name in (CONFIG, WEIGHTS)]
        except OSError:
            return None
        if not all(stat.S_ISREG(f.st_mode) for f in found):
            return None
        return Artifact(path, digest, sum(f.st_size for f in found))

    def is_intact(self, digest: str) -> bool:
        """Return whether the artifact exists and its bytes, read again, still have this digest."""
        there = self.find(digest)
        try:
            return there is not None and digest_of(there.path) == digest
        except OSError as error:
            log.warning("artifact %s can no longer be read (%s): it is replaced", digest, error)
            return False

    @contextlib.contextmanager
    def hold(self, digest: str) -> Iterator[Artifact | None]:
        """Yield the artifact with this digest, or None; until the end `collect` spares it, since it is needed again."""
        with self._lock:
            self._held.append(digest)
            artifact = self.find(digest)
        try:
            yield artifact
        finally:
            with self._lock:
                self._held.remove(digest)
                self._young.add(digest)

    def collect(self, keep: Collection[str]) -> list[str]:
        """Remove the artifacts whose digests are not in `keep`; return the digests removed. Raises Unavailable.

        An artifact committed or held since the last call is spared once: when `keep` was read from the ledger, the
        ledger may not have known yet that it is needed.
        """
        with self._lock, store_errors():
            spared, self._young = {*keep, *self._held, *self._young}, set()
            doomed = sorted(path.name for path in self._artifacts.iterdir() if path.name not in spared)
            if doomed:
                self._remove(doomed)
        return doomed

    def discard(self, digest: str) -> None:
        """Remove an artifact that nobody needs, if it is there. Raises Unavailable."""
        with self._lock, store_errors():
            if self.find(digest) is not None:
                self._remove([digest])

    def wipe_stages(self) -> None:
        """Remove the stages of earlier processes, but not those of this one. Raises Unavailable."""
        with self._lock, store_errors():
            for path in self._stages.iterdir():
                if path not in self._in_use:
                    remove(path)

    def point(self, record: dict[str, Any], highest: int | None = None, channel: str = DEFAULT) -> None:
        """Write `record` to a channel's pointer, durably and in one step. Raises Unavailable.

        The file also keeps the highest ``generation`` that it was ever given, or `highest`.
        """
        with self._lock, store_errors():
            self._pointers.write(channel, record, highest)

    def point_together(self, records: Mapping[str, dict[str, Any]], highest: int | None = None) -> None:
        """Write the records of several channels, durably: whenever the process dies, all of them or none.

        Raises Unavailable. All of them may be due then: go back by calling it with the records of before.
        """
        with self._lock, store_errors():
            self._pointers.write_together(records, highest)

    def unpoint(self, channel: str) -> None:
        """Remove a channel's pointer: a restart serves nothing for it. Raises Unavailable."""
        with self._lock, store_errors():
            self._pointers.remove(channel)

    def pointer(self, channel: str = DEFAULT) -> dict[str, Any] | None:
        """Return the record last pointed at, or None if there is none or its file is damaged (logged)."""
        return self._pointers.read(channel)

    def pointed(self) -> list[str]:
        """Name the channels other than the default one that have a pointer."""
        return self._pointers.names()

    def highest(self) -> int:
        """Return the highest generation that any pointer was ever given, 0 if unknown: it outlasts the ledger."""
        return self._pointers.highest()

    def _discard(self, path: Path) -> None:
        """Remove an artifact's name in one step, then its files."""
        if os.path.lexists(path):
            away = Path(tempfile.mkdtemp(dir=self._stages))
            path.rename(away / path.name)
            remove(away)
        self._tally.put(path)


def _renew_beside(fresh: Path, kept: Path) -> None:
    """Put what lies beside these bytes now in place of what lay there before: it is no part of their digest."""
    for name in BESIDE:
        if (fresh / name).exists():
            (fresh / name).replace(kept / name)
        else:
            (kept / name).unlink(missing_ok=True)


def digest_of(directory: Path) -> str:
    """Read an adapter's files again and return its digest (SHA-256 over config bytes, then weights bytes), as hex.

    Any thread may call this. Raises OSError.
    """
    sha = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        with (directory / name).open("rb") as file:
            while chunk := file.read(READ_BYTES):
                sha.update(chunk)
    return sha.hexdigest()
