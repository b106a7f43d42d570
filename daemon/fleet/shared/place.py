"""Where the fleet's state lies: names with contents that are created once and never changed."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from hotswapd.daemon.errors import FleetCode
from hotswapd.loaders.errors import Unavailable

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Place(Protocol):
    """A directory or a bucket's prefix. Every method is legal on any thread, may take long, and raises Unavailable.

    A name is a path with ``/`` between its parts. What has a name never changes; it can only be removed.
    """

    def create(self, name: str, content: bytes) -> bool:
        """Give a new name these few bytes, durably and in one step; return False if the name is taken.

        After Unavailable nobody knows whether it was created: call it again.
        """
        ...

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a name, None if there is no such name."""
        ...

    def has(self, name: str) -> bool:
        """Tell whether there is such a name."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names directly below a folder, without it, in order; none if there is no such folder."""
        ...

    def remove(self, name: str) -> None:
        """Remove a name. Idempotent."""
        ...

    def send(self, name: str, source: Path) -> None:
        """Give a name the bytes of a file, however many; whoever reads the name reads all of them or none."""
        ...

    def chunks(self, name: str) -> Iterable[bytes]:
        """Read the bytes of a name in pieces of a MiB at most. Raises Unavailable ``not_shared`` without the name."""
        ...


def created(place: Place, name: str, content: bytes) -> bool:
    """Create a name, or find that it has this very content already: an answer may have been lost on its way.

    Content that only one writer can write makes True mean that the caller created it. Raises Unavailable.
    """
    return place.create(name, content) or place.read(name) == content


def not_shared(name: str, where: object) -> Unavailable:
    """Make the error for bytes that nobody has put there."""
    return Unavailable(FleetCode.NOT_SHARED, f"{name} is not in {where}: the watcher sends it again")


@contextmanager
def shared_errors(where: object) -> Iterator[None]:
    """Turn a file system's errors into Unavailable; `where` names the place."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_LINKS:
            sentence = f"{where} knows no hard links: set fleet.shared to a file system that does, or to a bucket"
            raise Unavailable(FleetCode.SHARED_DOWN, sentence) from error
        sentence = f"{where} cannot be used: {error.strerror or error}; fix its file system or permissions"
        raise Unavailable(FleetCode.SHARED_DOWN, sentence) from error
