"""Which threads count as hanging, by a clock that the test turns."""

import threading
from collections.abc import Callable

from kits.clock import Clock

from hotswapd.daemon.host.heartbeats import Heartbeats, PolledEvent


def test_a_thread_is_late_after_its_limit_until_it_beats() -> None:
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


def test_a_long_step_may_take_what_it_declared() -> None:
    """And a short one never less than the limit."""
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


def test_a_compilation_lets_every_thread_wait() -> None:
    """While it lasts no thread is late, even if its last beat was long before."""
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


def test_a_thread_that_ended_is_not_waited_for() -> None:
    """A watch that a reload has ended does not cost a ping."""
    clock = Clock()
    beats = Heartbeats(10.0, clock)
    beats.beat("scan")
    beats.forget("scan")
    clock.now += 100.0
    assert beats.late() == []


class SlowClock(Clock):
    """A clock that holds up the thread named ``slow`` in the middle of its beat, until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = threading.Event()
        self.go_on = threading.Event()

    def __call__(self) -> float:
        if threading.current_thread().name == "slow":
            self.is_read.set()
            self.go_on.wait(30.0)
        return super().__call__()


def test_threads_take_turns() -> None:
    """While one thread is in the middle of its beat, no other one changes or reads what is due."""
    clock = SlowClock()
    beats = Heartbeats(10.0, clock)
    slow = threading.Thread(target=beats.beat, args=("slow",), name="slow")
    slow.start()
    assert clock.is_read.wait(30.0)
    others: dict[str, Callable[[], object]] = {
        "beat": lambda: beats.beat("other"),
        "allow": lambda: beats.allow(1.0),
        "forget": lambda: beats.forget("slow"),
        "late": beats.late,
    }
    threads = {name: threading.Thread(target=act) for name, act in others.items()}
    for thread in threads.values():
        thread.start()
    next(iter(threads.values())).join(0.2)
    assert [name for name, thread in threads.items() if not thread.is_alive()] == []
    clock.go_on.set()
    for thread in (slow, *threads.values()):
        thread.join(30.0)
        assert not thread.is_alive()


def test_each_poll_of_the_event_is_a_sign_of_life() -> None:
    """And the answer is that of the real event."""
    stop = threading.Event()
    polls: list[int] = []
    polled = PolledEvent(stop, lambda: polls.append(1))
    assert not polled.is_set()
    assert not polled.wait(0.0)
    stop.set()
    assert polled.is_set()
    assert polled.wait(0.0)
    assert len(polls) == 4
