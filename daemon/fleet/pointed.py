"""What is live, as requests ask for it: which channels there are, and which generations can be named."""

import threading
from collections.abc import Iterable

import structlog

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.loaders.errors import Unavailable

from .shared.pointer import Pointer
from .shared.trail import Follower

log = structlog.get_logger(__name__)


class Pointed:
    """The newest pointer; also a `Split` in which nothing is beside what is live. Every method is legal on any thread.

    A look takes as long as the shared place does.
    """

    def __init__(self, follower: Follower, named: Iterable[str] = ()) -> None:
        """Read nothing yet. `named` are channels that exist before anything has gone live in them."""
        self._follower = follower
        self._named = frozenset(named)
        self._lock = threading.Lock()

    def look(self) -> Pointer:
        """Return the newest pointer; while the place cannot be read, the last that was: nobody can move it then."""
        with self._lock:
            try:
                return self._follower.look()
            except Unavailable as error:
                log.warning("shared_down", detail=error.sentence)
                return self._follower.now

    def generations(self) -> list[int]:
        """Name the generations that can be asked for, the live ones first."""
        return self.look().numbers()

    def route(self, key: str, name: str = DEFAULT) -> tuple[int | None, str]:
        """Return the live generation, whatever the key."""
        return None, ""

    def number(self, name: str = DEFAULT) -> int | None:
        """Return None: there is no canary."""
        return None

    def names(self) -> list[str]:
        """Name all channels, the default one first."""
        return [DEFAULT, *sorted({*self._named, *self.look().routes} - {DEFAULT})]

    def has(self, name: str) -> bool:
        """Tell whether there is a channel of this name."""
        known = {DEFAULT, *self._named}
        return name in known or name in self._follower.now.routes or name in self.look().routes

    def owns(self, number: int, name: str) -> bool:
        """Tell whether requests to a channel may name this generation: one that is live nowhere is nobody's."""
        now = self.look()
        owners = {channel for channel in now.routes if now.answers(channel)[0] == number}
        return number == 0 or not owners or name in owners

    def scored(self, generation: int, score: float) -> bool:
        """Count nothing."""
        return False
