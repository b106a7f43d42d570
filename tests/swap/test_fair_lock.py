"""Turns: first asked, first served, whatever happens to those who wait."""

import itertools
import signal
import threading
from collections.abc import Callable
from functools import partial

import pytest
from kits.waiting import until

from hotswapd.swap.fair_lock import FairLock

LIMIT = 30.0


def _start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _queued(lock: FairLock, count: int) -> None:
    until(lambda: len(lock._queue) == count, "nobody else came to wait")


def test_turns_come_in_the_order_of_asking() -> None:
    """Eight threads that ask one after the other get the lock in just that order."""
    lock = FairLock()
    order: list[int] = []

    def ask(number: int) -> None:
        with lock:
            order.append(number)

    with lock:
        threads = []
        for number in range(8):
            threads.append(_start(partial(ask, number)))
            _queued(lock, number + 2)
    for thread in threads:
        thread.join(LIMIT)
    assert order == list(range(8))


def test_two_busy_threads_alternate() -> None:
    """One that asks again at once does not overtake one that waits."""
    lock = FairLock()
    order: list[str] = []
    both = threading.Barrier(2)

    def work(name: str) -> None:
        both.wait(LIMIT)
        for _ in range(50):
            with lock:
                order.append(name)
                until(lambda: len(lock._queue) == 2 or order.count("a") == 50 or order.count("b") == 50, "alone")

    threads = [_start(partial(work, name)) for name in "ab"]
    for thread in threads:
        thread.join(LIMIT)
    assert len(order) == 100
    assert all(one != other for one, other in itertools.pairwise(order[:99]))


def test_only_one_holds_it() -> None:
    """A counter that is read and written apart never loses a step."""
    lock, count = FairLock(), [0]

    def work() -> None:
        for _ in range(200):
            with lock:
                before = count[0]
                count[0] = before + 1

    threads = [_start(work) for _ in range(4)]
    for thread in threads:
        thread.join(LIMIT)
    assert count == [800]


def test_an_error_passes_the_turn_on() -> None:
    """Leaving by an exception is leaving too."""
    lock = FairLock()
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    with lock:
        assert len(lock._queue) == 1


def test_one_who_is_interrupted_while_waiting_leaves_the_queue() -> None:
    """A signal's exception in a waiting thread lets the next one have its turn."""
    lock, release, served = FairLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            release.wait(LIMIT)

    def be_served() -> None:
        lock.__enter__()  # for good
        served.set()

    def interrupt() -> None:
        _queued(lock, 2)
        _start(be_served)
        _queued(lock, 3)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def leave(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGUSR1, leave)
    try:
        _start(hold)
        _queued(lock, 1)
        _start(interrupt)
        with pytest.raises(InterruptedError), lock:
            pass
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not served.is_set()
    release.set()
    assert served.wait(LIMIT)
