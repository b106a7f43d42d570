"""Who is refused over and over waits for it, so that the refusals of one do not take the processor from the others."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

FREE = 50
"""Refusals that an address has at once without waiting: a client that is being set up makes mistakes."""
PER_SECOND = 20.0
LONGEST = 2.0
"""Seconds that one refusal is kept back at most."""
_ADDRESSES = 4096
_NETWORK = 64
"""An address of IPv6 is one of a network that belongs to one customer: that is who waits."""


class Tarpit:
    """What each address has been refused lately. On the event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing; `clock` gives seconds."""
        self._clock = clock
        self._owing: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Count a refusal; return for how many seconds to keep it back. An empty address never waits."""
        if not address:
            return 0.0
        now, who = self._clock(), _who(address)
        owed, since = self._owing.pop(who, (0.0, now))
        owed = min(max(0.0, owed - (now - since) * PER_SECOND) + 1, FREE + LONGEST * PER_SECOND)
        self._owing[who] = owed, now
        if len(self._owing) > _ADDRESSES:
            self._owing.popitem(last=False)
        return round(max(0.0, owed - FREE) / PER_SECOND, 3)


def _who(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], _NETWORK), strict=False))
    except ValueError:
        return address
