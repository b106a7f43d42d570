"""How much of the bodies that are being read and parsed may lie in memory, over all clients."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hotswapd.daemon.errors import Busy, ErrorCode

_SMALL = 64 << 10
"""Bytes that every request may have: what others send can never take them away."""
_MOST = 64 << 20
_SHARE = 2
"""One client may have the whole divided by this."""


class Bodies:
    """Counts the bytes of large bodies. For one event loop."""

    def __init__(self, most: int = _MOST) -> None:
        """`most` bytes may be held by large bodies at once."""
        self._most = most
        self._held: Counter[str] = Counter()

    @contextmanager
    def of(self, client: str) -> Iterator["Body"]:
        """Count one body until the block ends."""
        body = Body(self, client)
        try:
            yield body
        finally:
            body.forget()

    @property
    def held(self) -> int:
        """Bytes of large bodies that are held now."""
        return self._held.total()

    def take(self, client: str, more: int) -> None:
        """Count so many bytes. Raises Busy, and then counts nothing."""
        if self.held + more > self._most or self._held[client] + more > self._most // _SHARE:
            raise Busy(ErrorCode.QUEUE_FULL, "too many large bodies are being read; try again in a moment")
        self._held[client] += more

    def give(self, client: str, bytes_: int) -> None:
        """Count them no more."""
        self._held[client] -= bytes_
        if not self._held[client]:
            del self._held[client]


class Body:
    """One body that is being read: what of it is counted."""

    def __init__(self, bodies: Bodies, client: str) -> None:
        self._bodies = bodies
        self._client = client
        self._counted = 0

    def grows(self, length: int) -> None:
        """Count a body that has this length now. Raises Busy."""
        if length <= _SMALL:
            return
        self._bodies.take(self._client, length - self._counted)
        self._counted = length

    def forget(self) -> None:
        """Count it no more."""
        self._bodies.give(self._client, self._counted)
        self._counted = 0
