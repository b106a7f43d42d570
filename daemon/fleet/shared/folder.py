"""A directory on a file system that every node has mounted."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from hotswapd.loaders.store.disk import write_synced
from hotswapd.loaders.store.syncing import fsync_directory

from .place import not_shared, shared_errors

_CHUNK = 1 << 20
_UNNAMED = "unnamed"
"""Where what has no name yet is written, on the same file system as what has one."""


class FolderPlace:
    """A `Place` in a directory. A name is given by a hard link, which fails if the name exists."""

    def __init__(self, root: Path) -> None:
        """Make the directory, for this user only, if it is missing. Raises Unavailable."""
        self._root = root
        self._unnamed = root / _UNNAMED
        with shared_errors(root):
            self._unnamed.mkdir(mode=0o700, parents=True, exist_ok=True)

    def __str__(self) -> str:
        """Return the path."""
        return str(self._root)

    def create(self, name: str, content: bytes) -> bool:
        """Write and sync the bytes under no name, then link them to theirs."""
        return self._create(name, [content])

    def _create(self, name: str, chunks: Iterable[bytes]) -> bool:
        path = self._root / name
        with shared_errors(self._root), self._written(chunks) as fresh:
            self._make_folder(path.parent)
            try:
                os.link(fresh, path)
            except FileExistsError:
                return False
            fsync_directory(path.parent)
            return True

    def read(self, name: str) -> bytes | None:
        """Open it anew each time, which is what network file systems promise to be current."""
        with shared_errors(self._root):
            try:
                return (self._root / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def has(self, name: str) -> bool:
        """Open it, for the same reason."""
        with shared_errors(self._root):
            try:
                os.close(os.open(self._root / name, os.O_RDONLY | os.O_CLOEXEC))
            except (FileNotFoundError, NotADirectoryError):
                return False
            return True

    def names(self, folder: str) -> list[str]:
        """List the directory."""
        with shared_errors(self._root):
            try:
                return sorted(path.name for path in (self._root / folder).iterdir())
            except FileNotFoundError:
                return []

    def remove(self, name: str) -> None:
        """Unlink it, and its directory with the last name there, unless that is directly in the root."""
        path = self._root / name
        with shared_errors(self._root):
            path.unlink(missing_ok=True)
        if path.parent.parent != self._root and path.parent != self._root:
            with contextlib.suppress(OSError):  # there are other names in it, or there are some again
                path.parent.rmdir()

    def send(self, name: str, source: Path) -> None:
        """Copy the file, then link the copy to its name; a name that exists has these bytes already."""
        if not self.has(name):
            self._create(name, _read(source))

    def chunks(self, name: str) -> Iterable[bytes]:
        """Read the file."""
        with shared_errors(self._root):
            try:
                yield from _read(self._root / name)
            except FileNotFoundError:
                raise not_shared(name, self._root) from None

    @contextlib.contextmanager
    def _written(self, chunks: Iterable[bytes]) -> Iterator[Path]:
        """Yield the path of a file with these bytes, on disk, that goes at the end."""
        path = self._unnamed / uuid4().hex
        try:
            write_synced(path, chunks)
            yield path
        finally:
            with contextlib.suppress(OSError):  # the first error counts
                path.unlink()

    def _make_folder(self, path: Path) -> None:
        if path.is_dir():
            return
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        while path != self._root:
            path = path.parent
            fsync_directory(path)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
