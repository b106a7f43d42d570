"""One copy under way into the store, before it is an artifact."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from hotswapd.loaders.codes import FileCode, WaitingCode
from hotswapd.loaders.errors import Refused, Unavailable
from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS, FileName
from hotswapd.loaders.together import members_of

from .artifact import Artifact
from .disk import store_errors, write_all, write_durably
from .write_behind import WriteBehind


class Home(Protocol):
    """The store, as a stage sees it."""

    def step(self, name: str) -> None:
        """Report a step after which the process may die."""
        ...

    def claim(self, stage: Path, size: int) -> None:
        """Count bytes that are about to be written into a stage. Raises Unavailable unless they fit."""
        ...

    def adopt(self, path: Path, copied: Artifact) -> Artifact:
        """Move a finished stage to its digest's name. Raises Unavailable."""
        ...


class Stage:
    """One copy under way, in a private directory. Used by one thread.

    Write the config first, then the weights, each once: the digest runs over them in this order.
    """

    def __init__(self, store: Home, path: Path) -> None:
        self.path = path
        self._store = store
        self._sha = hashlib.sha256()
        self._sizes: dict[str, int] = {}
        self._together = ""

    def write(self, name: FileName, chunks: Iterable[bytes], cap: int) -> int:
        """Copy `chunks` into the file, sync it and return its size in bytes.

        Raises Refused ``too_large`` above `cap` bytes, Unavailable ``disk_full`` if less than the reserve would be
        left free, ``store_full`` above the store's limit, ``store_failed`` if the store fails otherwise, ValueError out
        of order. Errors from the iteration of `chunks` pass through.
        """
        if name != (CONFIG, WEIGHTS, None)[len(self._sizes)]:
            raise ValueError(f"write {CONFIG}, then {WEIGHTS}, each once; not {name} now")
        with store_errors():
            fd = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with WriteBehind(fd, self._sha) as behind:
                size = self._copy(fd, name, chunks, cap, behind)
            self._store.step("copied")
            with store_errors():
                os.fsync(fd)
        finally:
            os.close(fd)
        self._sizes[name] = size
        return size

    def _copy(self, fd: int, name: str, chunks: Iterable[bytes], cap: int, behind: WriteBehind) -> int:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > cap:
                raise Refused(FileCode.TOO_LARGE, f"{name} is larger than the {cap} bytes that are allowed")
            self._store.claim(self.path, len(chunk))
            with store_errors():
                write_all(fd, chunk)
                behind.wrote(chunk)
        with store_errors():
            behind.finish()
        return size

    def beside(self, name: str, data: bytes) -> None:
        """Put a file of the tokenizer, or the manifest, beside the adapter; the digest does not run over it.

        Raises Unavailable.
        """
        if name == MANIFEST:
            self._together = _members(data)
        self._store.claim(self.path, len(data))
        with store_errors():
            write_durably(self.path / name, data)

    def commit(self) -> Artifact:
        """Make the copy an artifact, or return the existing one with this digest.

        Raises Unavailable as `write` does, ValueError if a file is missing.
        """
        if len(self._sizes) != 2:
            raise ValueError(f"commit needs both {CONFIG} and {WEIGHTS}")
        copied = Artifact(Path(), self._sha.hexdigest(), sum(self._sizes.values()))
        return replace(self._store.adopt(self.path, copied), together=self._together)


def _members(manifest: bytes) -> str:
    try:
        return members_of(manifest)
    except ValueError as error:
        raise Unavailable(WaitingCode.MANIFEST_UNREADABLE, f"{error}: publish again, or delete it") from error
