"""A limit of the store's size, and what goes first where it would be exceeded."""

from collections.abc import Collection, Sequence
from typing import Protocol


class Limit(Protocol):
    """What the store asks. Every method is legal on any thread, and must not call the store."""

    def bytes(self) -> int:
        """Return how many bytes the store may hold; 0 is no limit."""
        ...

    def spare(self, digests: Collection[str]) -> Sequence[str]:
        """Return which of these artifacts may go, first those that are missed least."""
        ...


class NoLimit:
    """The limit of a store that has none."""

    def bytes(self) -> int:
        """Return 0."""
        return 0

    def spare(self, digests: Collection[str]) -> Sequence[str]:
        """Spare nothing."""
        return ()
