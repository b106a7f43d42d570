"""What the daemon tells its service manager: datagrams on ``$NOTIFY_SOCKET``, as in sd_notify(3).

Written by hand, since the protocol is lines in a datagram: the pure Python packages for it know neither MONOTONIC_USEC
nor sockets in the abstract namespace, and the binding to libsystemd needs its headers and a compiler.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping

import structlog

log = structlog.get_logger(__name__)
_MICRO = 1_000_000
_LONGEST = 1000
"""Letters of a sentence that are sent: a datagram that is too large would never be taken."""


class Notify:
    """Tells the service manager, if there is one. Legal on any thread; never raises, never waits.

    What its socket does not take now (it is full, or being made again) is kept and sent before anything later, or by
    `resend`; of several such messages of one kind only the last. A ping is not kept: it would say nothing about then.
    """

    def __init__(self, address: str = "", watchdog: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`address` is that of the datagram socket, `watchdog` the seconds within which a ping must come, 0 for none.

        `clock` must be CLOCK_MONOTONIC, which the service manager compares with its own.
        """
        self.watchdog = watchdog
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._clock = clock
        self._status = ""
        self._failed = False
        self._lock = threading.Lock()
        self._unsent: dict[tuple[str, ...], str] = {}

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Notify":
        """Make one from the variables that the service manager sets for this process."""
        return cls(environ.get("NOTIFY_SOCKET", ""), _watchdog(environ))

    def status(self, sentence: str) -> None:
        """Report in one line what the daemon is doing; send nothing if the line has not changed."""
        if sentence != self._status:
            self._send(f"STATUS={self._say(sentence)}")

    def working(self, sentence: str, seconds: float) -> None:
        """Report what start-up is doing, and ask for so many seconds more before it counts as stuck."""
        self._send(f"STATUS={self._say(sentence)}", f"EXTEND_TIMEOUT_USEC={int(seconds * _MICRO)}")

    def extend(self, seconds: float) -> None:
        """Ask for so many seconds more for what is under way."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * _MICRO)}")

    def ready(self, sentence: str) -> None:
        """Report that requests are answered, after a start or a reload."""
        self._send("READY=1", f"STATUS={self._say(sentence)}")

    def reloading(self) -> None:
        """Report that the configuration is read again; `ready` must follow, even if it is refused."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._clock() * _MICRO)}")

    def stopping(self, sentence: str, seconds: float) -> None:
        """Report that the daemon ends within so many seconds."""
        self._send("STOPPING=1", f"STATUS={self._say(sentence)}", f"EXTEND_TIMEOUT_USEC={int(seconds * _MICRO)}")

    def alive(self) -> None:
        """Ping the watchdog."""
        if self.watchdog:
            self._send("WATCHDOG=1", keep=False)

    def resend(self) -> None:
        """Send what the socket did not take before."""
        with self._lock:
            self._send_kept()

    def _say(self, sentence: str) -> str:
        self._status = sentence
        one_line = " ".join(sentence.split())  # the end of a line would begin another variable
        return one_line if len(one_line) <= _LONGEST else f"{one_line[:_LONGEST]}..."

    def _send(self, *lines: str, keep: bool = True) -> None:
        if not self._address:
            return
        message, kind = "\n".join(lines), tuple(line.partition("=")[0] for line in lines)
        with self._lock:
            if self._send_kept() and self._sent(message):
                return
            if keep:
                self._unsent.pop(kind, None)  # the last of a kind goes to the end of the line
                self._unsent[kind] = message

    def _send_kept(self) -> bool:
        """Send what is kept, in its order; return whether all of it was taken."""
        for kind, message in list(self._unsent.items()):
            if not self._sent(message):
                return False
            del self._unsent[kind]
        return True

    def _sent(self, message: str) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
                sock.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._failed:
                log.warning("not_notified", detail=f"the service manager's socket: {error.strerror or error}")
            self._failed = True
            return False
        self._failed = False
        return True


def _watchdog(environ: Mapping[str, str]) -> float:
    """Return the period of the watchdog in seconds; 0 if there is none, or if it is for another process."""
    period, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not period.isdecimal() or (process and process != str(os.getpid())):
        return 0.0
    return int(period) / _MICRO
