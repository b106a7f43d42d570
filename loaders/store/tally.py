"""How many bytes lie in the store, counted as they come and go: a limit is looked at before each piece of a copy."""

from collections.abc import Iterable
from pathlib import Path


class Tally:
    """Sizes of artifacts by digest, and of copies under way, in bytes. Use it with the store's lock only."""

    def __init__(self, artifacts: Iterable[Path]) -> None:
        """Count what an earlier process left."""
        self._artifacts = {path.name: size_of(path) for path in artifacts}
        self._copies: dict[Path, int] = {}

    def total(self) -> int:
        """Return how many bytes there are."""
        return sum(self._artifacts.values()) + sum(self._copies.values())

    def size(self, digests: Iterable[str]) -> int:
        """Return how many bytes these artifacts have."""
        return sum(self._artifacts.get(digest, 0) for digest in digests)

    def digests(self) -> list[str]:
        """Name the artifacts."""
        return list(self._artifacts)

    def wrote(self, copy: Path, size: int) -> None:
        """Add bytes to a copy under way."""
        self._copies[copy] = self._copies.get(copy, 0) + size

    def ended(self, copy: Path) -> None:
        """Count a copy no more: it is an artifact now, or it was given up."""
        self._copies.pop(copy, None)

    def put(self, artifact: Path) -> None:
        """Count an artifact as it is now; one that is gone has no bytes."""
        self._artifacts.pop(artifact.name, None)
        if artifact.exists():
            self._artifacts[artifact.name] = size_of(artifact)


def size_of(directory: Path) -> int:
    """Return the size of the files in a directory, in bytes; what cannot be read counts as empty."""
    total = 0
    try:
        for path in directory.iterdir():
            total += path.lstat().st_size
    except OSError:
        return total
    return total
