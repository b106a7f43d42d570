"""How requests ended, on its way from the replicas to the watcher, which judges by it what is live and what is beside.

A replica says again what the watcher has not confirmed, and the watcher counts nothing twice. What a replica has not
said when it dies is lost: fewer answers are judged then, and none wrongly.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from hotswapd.swap.rows.ended import Ended

_MOST = 1000
"""Endings that are kept while the watcher is away; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Endings:
    """Some endings of one replica. `first` is how many it had before these."""

    first: int = 0
    ended: Sequence[Ended] = ()

    @property
    def last(self) -> int:
        """How many it had with these."""
        return self.first + len(self.ended)


class Unsaid:
    """What one replica has still to say. Every method is legal on any thread."""

    def __init__(self) -> None:
        """Have nothing to say."""
        self._lock = threading.Lock()
        self._count = 0
        self._kept: deque[Ended] = deque(maxlen=_MOST)

    def add(self, ended: Ended) -> None:
        """Take in how a request ended; one of the engine's own, which has no generation, is left out."""
        if ended.generation >= 0:
            with self._lock:
                self._kept.append(ended)
                self._count += 1

    def due(self) -> Endings:
        """Return all that is not confirmed."""
        with self._lock:
            return Endings(self._count - len(self._kept), tuple(self._kept))

    def confirm(self, said: Endings) -> None:
        """Forget what has arrived."""
        with self._lock:
            while self._kept and self._count - len(self._kept) < said.last:
                self._kept.popleft()


class Counted:
    """How far each sender has been counted. For one thread, or with one lock."""

    def __init__(self) -> None:
        """Know no sender."""
        self._last: dict[str, int] = {}

    def fresh(self, member: str, said: Endings) -> Sequence[Ended]:
        """Return what is new of this replica, and count it."""
        known = self._last.get(member, 0)
        self._last[member] = max(known, said.last)
        return said.ended[max(0, known - said.first) :]

    def is_new(self, sender: str, count: int) -> bool:
        """Tell whether this message is newer than every one before; it counts from now on."""
        new = count > self._last.get(sender, 0)
        self._last[sender] = max(count, self._last.get(sender, 0))
        return new
