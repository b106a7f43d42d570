"""The main thread's round, once a second: is every thread alive, and what does the service manager hear of it."""

from collections.abc import Callable

from hotswapd.daemon.control.headline import headline
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.host.heartbeats import SERVERS, Heartbeats
from hotswapd.daemon.host.notify import Notify
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.pipeline.sources import Sources

from .circumstances import Listening

TICK = 1.0


class Rounds:
    """Only the main thread calls `turn`, so a main thread that hangs misses its ping too."""

    def __init__(
        self,
        notify: Notify,
        beats: Heartbeats,
        standing: Standing,
        ledger: Ledger,
        sources: Sources,
        servers: Listening,
    ) -> None:
        """Notify nobody yet."""
        self._notify = notify
        self._beats = beats
        self._standing = standing
        self._ledger = ledger
        self._sources = sources
        self._servers = servers

    @property
    def tick(self) -> float:
        """Seconds between two turns: a third of the watchdog's period, at most one second."""
        return min(TICK, self._notify.watchdog / 3) if self._notify.watchdog else TICK

    def turn(self) -> None:
        """Ping the watchdog if every thread has reported in time, and describe the daemon in a line.

        A status that the service manager's full socket did not take is sent again at the next turn.
        """
        self._servers.soon(self._reported(SERVERS))
        self._servers.keep_control()
        self._notify.resend()
        late = self._beats.late()
        if not late:
            self._notify.alive()
        if self._standing.is_working:
            self._notify.status(headline(self._standing, self._ledger, self._sources, late))

    def _reported(self, name: str) -> Callable[[], None]:
        return lambda: self._beats.beat(name)
