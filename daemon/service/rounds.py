"""What the main thread looks at once a second, and what it then tells the service manager."""

from collections.abc import Callable

from hotswapd.daemon.control.headline import headline
from hotswapd.daemon.control.operator import Operator
from hotswapd.daemon.host.heartbeats import SERVERS, Heartbeats
from hotswapd.daemon.host.notify import Notify

from .servers import Servers

TICK = 1.0


class Rounds:
    """`turn` is for the main thread alone, which is why a main thread that hangs is a missed ping too."""

    def __init__(self, notify: Notify, beats: Heartbeats, operator: Operator, servers: Servers) -> None:
        """Tell nobody yet."""
        self._notify = notify
        self._beats = beats
        self._operator = operator
        self._servers = servers

    @property
    def tick(self) -> float:
        """Seconds between two turns: a third of the watchdog's period, at most one second."""
        return min(TICK, self._notify.watchdog / 3) if self._notify.watchdog else TICK

    def turn(self) -> None:
        """Ping the watchdog if every thread was heard of in time, and say in a line how things are."""
        self._servers.soon(self._heard(SERVERS))
        late = self._beats.late()
        if not late:
            self._notify.alive()
        operator = self._operator
        if operator.standing.is_ready:
            self._notify.status(headline(operator.standing, operator.ledger, operator.watches, late))

    def _heard(self, name: str) -> Callable[[], None]:
        return lambda: self._beats.beat(name)
