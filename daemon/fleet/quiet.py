"""What a watcher's service has in place of sockets and signals: it is asked by calls, and ended by them."""

import signal
import threading
from collections.abc import Callable

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.control.face import ControlFace
from hotswapd.daemon.report.metrics import Metrics


class Unheard:
    """Listens nowhere. See `service.circumstances.Listening`."""

    address = ("", 0)

    def __init__(self, face: ControlFace, settings: Settings, metrics: Metrics) -> None:
        """Need none of them."""

    def start(self) -> None:
        """Open nothing."""

    def stop(self, drain: float = 5.0) -> None:
        """Close nothing."""

    def keep_control(self) -> None:
        """Keep nothing."""

    def renew_tls(self) -> None:
        """Read nothing."""

    def soon(self, call: Callable[[], None]) -> None:
        """Call it at once: there is no loop that could hang."""
        call()


class Stopping:
    """Ends a service, or has it reload, as a signal would. Every method is legal on any thread."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._due = threading.Event()

    def stop(self) -> None:
        """Have the service end, after what it is at."""
        self._stopped.set()
        self.wake()

    def reload(self) -> None:
        """Have the service read its configuration again."""
        self._due.set()
        self.wake()

    def wait(self, seconds: float) -> set[int]:
        """Return SIGTERM once it is to end, and SIGHUP once for what was to be read again."""
        self._woken.wait(seconds)
        self._woken.clear()
        if self._stopped.is_set():
            return {signal.SIGTERM}
        came: set[int] = {signal.SIGHUP} if self._due.is_set() else set()
        self._due.clear()
        return came

    def wake(self) -> None:
        """End a `wait`."""
        self._woken.set()
