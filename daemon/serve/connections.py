"""Who is connected: how many there may be, from how many addresses, and who goes when the table is full."""

import resource
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

_ANY = ""
_NONE: Mapping["Connection", float] = {}
_GRACE = 1.0
_OVER = 2
"""The table takes the descriptor limit divided by this, and one address the table divided by it."""
_ENDLESS = 1 << 16
"""Descriptors where there is no limit: more connections than that need a limit of their own."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be at once, in all and of one address."""

    total: int
    per_address: int

    @classmethod
    def of(cls, max_connections: int, max_per_address: int, descriptors: int | None = None) -> "ConnectionLimits":
        """Choose them. 0 is half of what there is: of the descriptors for all, of all for one address.

        What is asked for is cut to the half of the descriptors too, so that accepting never fails.
        """
        fit = max(2, (descriptors or descriptor_limit()) // _OVER)
        total = min(max_connections or fit, fit)
        return cls(total, min(max_per_address or max(1, total // _OVER), total))


def descriptor_limit() -> int:
    """Return how many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENDLESS if soft == resource.RLIM_INFINITY else min(soft, _ENDLESS)


class Doing(Enum):
    """What a connection does now."""

    IDLE = "idle"
    SENDING = "sending"
    """Its request is under way to us."""
    ANSWERED = "answered"
    """Its request is complete, and the answer is not."""


class Connection(Protocol):
    """One connection as the table sees it. On the event loop."""

    @property
    def address(self) -> str:
        """Where it comes from, without the port."""
        ...

    def leave(self) -> None:
        """Close it at once."""
        ...


class Connections:
    """The table. For one event loop; every method takes the same time however many there are."""

    def __init__(
        self,
        limits: ConnectionLimits,
        on_refusal: Callable[[str], None],
        on_count: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_refusal` is given the address of each connection that was refused or had to go, `on_count` the number."""
        self._clock = clock
        self.limits = limits
        self._on_refusal = on_refusal
        self._on_count = on_count
        self._all: dict[Connection, Doing] = {}
        self._of: Counter[str] = Counter()
        # Which could go, in the order in which they should, for all addresses and for each.
        self._spare: dict[tuple[str, Doing], OrderedDict[Connection, float]] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all)

    def add(self, connection: Connection) -> bool:
        """Take a connection in; if there is no room, the one that has been idle longest goes.

        If none has been idle for a second, it is the one that has been sending its request for longest: a client that
        has just connected is not the one to go. Return False if the new one has to be closed instead: all the others
        are being answered.
        """
        address = connection.address
        if self._of[address] >= self.limits.per_address and not self._clear_one(address):
            return self._refuse(address)
        if len(self._all) >= self.limits.total and not self._clear_one(_ANY):
            return self._refuse(address)
        self._all[connection] = Doing.IDLE
        self._of[address] += 1
        self._put(connection, Doing.IDLE)
        self._on_count(len(self._all))
        return True

    def now(self, connection: Connection, doing: Doing) -> None:
        """Note what a connection of the table does from now on."""
        before = self._all.get(connection)
        if before is None or before is doing:
            return
        self._drop(connection, before)
        self._put(connection, doing)
        self._all[connection] = doing

    def remove(self, connection: Connection) -> None:
        """Forget a connection; one that is not in the table changes nothing."""
        doing = self._all.pop(connection, None)
        if doing is None:
            return
        self._drop(connection, doing)
        self._of[connection.address] -= 1
        self._forget_if_none(connection.address)
        self._on_count(len(self._all))

    def _put(self, connection: Connection, doing: Doing) -> None:
        if doing is Doing.ANSWERED:
            return
        for place in (_ANY, connection.address):
            self._spare.setdefault((place, doing), OrderedDict())[connection] = self._clock()

    def _drop(self, connection: Connection, doing: Doing) -> None:
        if doing is Doing.ANSWERED:
            return
        for place in (_ANY, connection.address):
            line = self._spare[place, doing]
            del line[connection]
            if not line:
                del self._spare[place, doing]

    def _clear_one(self, place: str) -> bool:
        """Close the connection, of this address or of any, that can best be spared; return False if none can."""
        idle, sending = self._oldest(place, Doing.IDLE), self._oldest(place, Doing.SENDING)
        rested = idle is not None and self._clock() - idle[1] >= _GRACE
        found = idle if rested else sending or idle
        if found is None:
            return False
        self._on_refusal(found[0].address)
        self.remove(found[0])
        found[0].leave()
        return True

    def _oldest(self, place: str, doing: Doing) -> tuple[Connection, float] | None:
        return next(iter(self._spare.get((place, doing), _NONE).items()), None)

    def _refuse(self, address: str) -> bool:
        self._forget_if_none(address)
        self._on_refusal(address)
        return False

    def _forget_if_none(self, address: str) -> None:
        if not self._of[address]:
            del self._of[address]
