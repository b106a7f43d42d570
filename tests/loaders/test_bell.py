"""The bell ends a wait, and gathers rings."""

import threading
import time
from collections.abc import Callable

import pytest

from hotswapd.loaders.bell import Bell


def test_a_wait_without_a_ring_ends_by_itself() -> None:
    assert Bell().wait(0.0) is False


@pytest.mark.parametrize("ring", [Bell.ring, Bell.wake, Bell.close])
def test_a_ring_before_the_wait_is_not_lost(ring: Callable[[Bell], None]) -> None:
    bell = Bell()
    ring(bell)
    assert bell.wait(60.0) is True


@pytest.mark.parametrize("ring", [Bell.ring, Bell.wake, Bell.close])
def test_a_ring_from_another_thread_ends_the_wait(ring: Callable[[Bell], None]) -> None:
    bell, rung = Bell(), []
    waiter = threading.Thread(target=lambda: rung.append(bell.wait(60.0)))
    waiter.start()
    ring(bell)
    waiter.join(30)
    assert rung == [True]


def test_a_ring_counts_once_but_a_closed_bell_stays_rung() -> None:
    bell = Bell()
    bell.ring()
    bell.wake()
    assert bell.wait(60.0)
    assert not bell.wait(0.0)
    bell.close()
    assert bell.wait(60.0)
    assert bell.wait(60.0)


def test_rings_are_gathered_for_the_gap() -> None:
    bell = Bell()
    begun = time.monotonic()
    bell.ring()
    assert bell.wait(60.0, gap=0.05)
    assert time.monotonic() - begun >= 0.05
    bell.ring()
    assert bell.wait(0.01, gap=60.0)


def test_wake_cuts_the_gap_short() -> None:
    bell = Bell()
    bell.ring()
    bell.wake()
    assert bell.wait(60.0, gap=60.0)
