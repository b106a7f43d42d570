"""A folder on this machine as a place to publish to."""

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from hotswapd.loaders.codes import PublishCode
from hotswapd.loaders.digests import Listed
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.disk import replace_durably
from hotswapd.loaders.store.store import READ_BYTES
from hotswapd.loaders.store.syncing import fsync_directory


class LocalPlace:
    """A directory that is made when the first file is put into it. Used by one thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def listed(self, name: str) -> Listed | None:
        """Return the digest and size of a file in it, or None if it does not exist. Raises Unavailable."""
        with self._errors():
            try:
                with (self._directory / name).open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                    return Listed(sha256, file.tell())
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        """Delete a file, durably. Raises Unavailable."""
        with self._errors():
            (self._directory / name).unlink(missing_ok=True)
            fsync_directory(self._directory)

    def put(self, source: Path, listed: Listed, sent: Callable[[int], None]) -> None:
        """Put a file under its own name in one step, once all its bytes are on disk. Raises Unavailable."""
        # Hidden, and not the name of an adapter's file, so that no watcher takes it for one.
        fresh = self._directory / f".hotswapd-{secrets.token_hex(8)}.tmp"
        with self._errors():
            self._directory.mkdir(parents=True, exist_ok=True)
            replace_durably(self._directory / source.name, fresh, _chunks(source, sent), mode=0o644)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                PublishCode.PUBLISH_FAILED,
                f"{self._directory} cannot be written: {error.strerror}; publish again when it can",
            ) from error


def _chunks(source: Path, sent: Callable[[int], None]) -> Iterator[bytes]:
    with source.open("rb") as reading:
        while chunk := reading.read(READ_BYTES):
            yield chunk
            sent(len(chunk))
