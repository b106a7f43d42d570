"""The clock that stands still while the process is frozen."""

import threading

from kits.clock import Clock
from kits.waiting import until
from structlog.testing import capture_logs

from hotswapd.daemon.host.running_clock import RunningClock


def test_a_gap_between_two_readings_does_not_count() -> None:
    """Whoever reads it first after the freeze, the loop or the ticker, sees the gap."""
    real = Clock(100.0)
    clock = RunningClock(real)
    clock.begin()
    before = clock()
    real.advance(0.5)
    assert clock() - before == 0.5
    real.advance(30.0)
    assert clock() - before == 0.5
    real.advance(0.25)
    assert clock() - before == 0.75


def test_a_pause_up_to_the_limit_counts() -> None:
    real = Clock(100.0)
    clock = RunningClock(real)
    clock.begin()
    before = clock()
    real.advance(1.0)
    assert clock() - before == 1.0
    real.advance(1.0001)
    assert clock() - before == 1.0


def test_it_runs_like_any_clock_before_it_is_started() -> None:
    """Nobody reads it regularly then, so a gap says nothing."""
    real = Clock(100.0)
    clock = RunningClock(real)
    before = clock()
    real.advance(30.0)
    assert clock() - before == 30.0


def test_each_stall_is_reported_once() -> None:
    real = Clock(100.0)
    heard: list[float] = []
    clock = RunningClock(real, heard.append)
    clock.begin()
    real.advance(30.0)
    clock()
    with capture_logs() as logged:
        clock.report()
        clock.report()
    assert heard == [30.0]
    assert [(one["event"], one["seconds"]) for one in logged] == [("process_stalled", 30.0)]


def test_the_ticker_reads_it_until_the_end() -> None:
    """A gap that only the ticker can see is seen; after the end gaps count as time again."""
    real, stop = Clock(100.0), threading.Event()
    seen = threading.Event()
    clock = RunningClock(real, lambda _: seen.set())
    ticker = clock.start(stop)
    real.advance(30.0)
    assert seen.wait(30)
    stop.set()
    until(lambda: not ticker.is_alive(), "the ticker does not end")
    before = clock()
    real.advance(30.0)
    assert clock() - before == 30.0


def test_a_regular_reading_that_comes_late_is_remembered() -> None:
    """By whatever had the processor instead; nobody is late before there is a reading that is due."""
    real = Clock(100.0)
    clock = RunningClock(real)
    real.advance(30.0)
    assert not clock.was_late(60.0)
    clock.tick()
    real.advance(0.25)
    clock.tick()
    assert not clock.was_late(60.0)
    real.advance(0.26)
    assert clock.was_late(0.0), "it is late now"
    clock.tick()
    real.advance(0.2)
    clock.tick()
    assert clock.was_late(0.21)
    assert not clock.was_late(0.19)


def test_nobody_is_late_once_the_ticker_has_ended() -> None:
    real, stop = Clock(100.0), threading.Event()
    clock = RunningClock(real)
    ticker = clock.start(stop)
    stop.set()
    until(lambda: not ticker.is_alive(), "the ticker does not end")
    real.advance(30.0)
    assert not clock.was_late(0.0)
