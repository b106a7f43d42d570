"""Which threads count as hanging, by a clock that the test turns."""

import threading

from kits.folders import Clock

from hotswapd.daemon.host.heartbeats import Asked, Heartbeats


def test_a_thread_is_late_once_its_limit_is_over_and_back_when_it_is_heard_again():
    """The first beat makes it one that is waited for."""
    clock = Clock()
    beats = Heartbeats(10.0, clock)
    assert beats.late() == []
    beats.beat("worker")
    clock.now += 10.0
    assert beats.late() == []
    clock.now += 0.1
    assert beats.late() == ["worker"]
    beats.beat("worker")
    assert beats.late() == []


def test_a_long_step_declares_what_it_may_take_and_a_short_one_never_less_than_the_limit():
    """Between two beats passes what was declared, or the limit."""
    clock = Clock()
    beats = Heartbeats(10.0, clock)
    beats.beat("worker", 600.0)
    beats.beat("scan", 1.0)
    clock.now += 9.0
    assert beats.late() == []
    clock.now += 2.0
    assert beats.late() == ["scan"]
    clock.now += 590.0
    assert beats.late() == ["scan", "worker"]


def test_a_compilation_lets_all_of_them_wait():
    """While it lasts nobody is late, also not who was heard of long before it began."""
    clock = Clock()
    beats = Heartbeats(10.0, clock)
    beats.beat("worker")
    clock.now += 9.0
    beats.allow(60.0)
    beats.beat("worker")
    clock.now += 59.0
    assert beats.late() == []
    clock.now += 2.0
    assert beats.late() == ["worker"]


def test_a_thread_that_was_ended_is_not_waited_for():
    """A watch that a reload has ended is no missed ping."""
    clock = Clock()
    beats = Heartbeats(10.0, clock)
    beats.beat("scan")
    beats.forget("scan")
    clock.now += 100.0
    assert beats.late() == []


def test_a_fetch_that_asks_whether_to_stop_gives_a_sign_of_life():
    """Each question is one, and the answer is the real event's."""
    stop, heard = threading.Event(), []
    asked = Asked(stop, lambda: heard.append(1))
    assert not asked.is_set()
    assert not asked.wait(0.0)
    stop.set()
    assert asked.is_set()
    assert asked.wait(0.0)
    assert len(heard) == 4
