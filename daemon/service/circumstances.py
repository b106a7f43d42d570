"""What a daemon runs in: who started it, who may end it, what opens its engine, and what it listens with."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.control.face import ControlFace
from hotswapd.daemon.host.notify import Notify
from hotswapd.daemon.ledger.journal import Journal
from hotswapd.daemon.report.metrics import Metrics

from .in_process import open_in_process
from .opening import Opener
from .servers import Servers
from .state_dir import StateDir


class Listening(Protocol):
    """What brings requests to a face. Every method is for the main thread, but `soon` is legal on any."""

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect, known after `start`."""
        ...

    def start(self) -> None:
        """Listen. Raises CannotListen."""
        ...

    def stop(self, drain: float = 5.0) -> None:
        """Give requests under way so many seconds to end, and listen no more."""
        ...

    def keep_control(self) -> None:
        """See that operators can still connect."""
        ...

    def renew_tls(self) -> None:
        """Read certificates again. Raises ConfigError, and keeps the old ones."""
        ...

    def soon(self, call: Callable[[], None]) -> None:
        """Have it called by what answers requests, which proves that this does not hang."""
        ...


class Endings(Protocol):
    """Whoever may end the daemon."""

    def wait(self, seconds: float) -> set[int]:
        """Return the signals that have come; none after the seconds, or after `wake`. For the main thread."""
        ...

    def wake(self) -> None:
        """End a `wait`. Legal on any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Starter:
    """Whoever started the daemon, and is told how it goes; neither may raise.

    `on_ready` gets the HTTP server's address once requests are answered, on the worker's thread. `on_leave` is called
    when the process is about to end without returning, because a thread hangs; on the main thread.
    """

    on_ready: Callable[[tuple[str, int]], None] = lambda address: None
    on_leave: Callable[[], None] = lambda: None


Listen = Callable[[ControlFace, Settings, Metrics], Listening]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`leave` ends the process with a status, although a thread hangs; `journal` is told what the ledger writes."""

    state: StateDir
    notify: Notify
    signals: Endings
    starter: Starter = Starter()
    open_engine: Opener = open_in_process
    listen: Listen = Servers
    leave: Callable[[int], None] = os._exit
    journal: Journal | None = None
