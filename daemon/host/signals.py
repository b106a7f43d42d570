"""Signals and wake-ups from other threads, turned into values that the main thread waits for."""

import select
import signal
import socket
from collections.abc import Iterable
from types import FrameType

_WAKE = 0


class Signals:
    """Made on the main thread. A handler runs between two byte codes and must not take a lock, so none does anything:
    the interpreter writes the number of the signal into a socket, and the main thread reads it.
    """

    def __init__(self, wanted: Iterable[signal.Signals]) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._before = {one: signal.signal(one, _nothing) for one in wanted}
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before)  # those that came before arrive now

    def wait(self, seconds: float) -> set[int]:
        """Return the signals that have come; an empty set after the seconds, or after `wake`."""
        ready, _, _ = select.select([self._reader], [], [], seconds)
        return set(self._reader.recv(4096)) - {_WAKE} if ready else set()

    def wake(self) -> None:
        """End a `wait`. Legal on any thread."""
        try:
            self._writer.send(bytes([_WAKE]))
        except BlockingIOError:
            return  # it is already full of reasons to wake

    def close(self) -> None:
        """Restore the previous handlers."""
        signal.set_wakeup_fd(self._old_fd)
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._reader.close()
        self._writer.close()


def _nothing(number: int, frame: FrameType | None) -> None:
    """Keep the signal from ending the process."""
