"""Signals as values, on the main thread."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from hotswapd.daemon.host.signals import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    made = Signals([signal.SIGUSR1, signal.SIGUSR2])
    yield made
    made.close()


def test_signals_are_returned_together(signals: Signals) -> None:
    """Each once, however often it came."""
    for one in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
        os.kill(os.getpid(), one)
    assert signals.wait(30.0) == {signal.SIGUSR1, signal.SIGUSR2}
    assert signals.wait(0.0) == set()


def test_another_thread_ends_a_wait(signals: Signals) -> None:
    """As often as it likes: a full socket is reason enough to wake."""

    def wake() -> None:
        for _ in range(100_000):
            signals.wake()

    waker = threading.Thread(target=wake)
    waker.start()
    assert signals.wait(30.0) == set()
    waker.join(30.0)
    assert not waker.is_alive()


def test_closing_restores_the_handlers() -> None:
    """Also the descriptor that the interpreter writes to."""
    before = signal.getsignal(signal.SIGUSR1)
    made = Signals([signal.SIGUSR1])
    assert signal.getsignal(signal.SIGUSR1) is not before
    made.close()
    assert signal.getsignal(signal.SIGUSR1) is before
    assert made._reader.fileno() == made._writer.fileno() == -1
    assert signal.set_wakeup_fd(-1) == -1
