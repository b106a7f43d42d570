"""Which channel loses its berth: the product's own rule on traces of requests, beside plain LRU, in simulated time."""

import functools
import random
from collections.abc import Callable

import pytest
from kits.traffic import LRU, Trace, Traffic, Waits, at_random, crowds, steady, together, zipf

COLD = [f"c{number:04}" for number in range(1000)]
HOT = "hot"
ONE_LOAD = 0.0101
"""Seconds that one berth takes to fill, and a little: the very first request of a hot channel waits for that."""


def many_cold() -> Trace:
    """One request in twenty for one channel, the others evenly over a thousand."""
    return together(steady(HOT, 0.5, 100.0), at_random(COLD, [1.0] * 1000, 40.0, 4000))


def cold_crowds() -> Trace:
    """Every five seconds sixty-four channels that nobody has asked for lately, all at once."""
    return together(steady(HOT, 0.5, 200.0), crowds(COLD, 64, 5.0, 200.0))


def scan() -> Trace:
    """Usual traffic, and somebody who asks every channel once, one after the other, as a monitor does."""
    usual = at_random(COLD, zipf(1000), 15.0, 3000)
    return together(usual, steady(HOT, 0.5, 200.0), [(100.0 + 0.02 * at, name) for at, name in enumerate(COLD)])


def alternating() -> Trace:
    """Two sets of twelve, which do not fit into sixteen berths together, each for four hundred requests."""
    sets = [[f"{name}{number}" for number in range(12)] for name in "ab"]
    rng, names = random.Random(1), []
    for phase in range(10):
        names += rng.choices(sets[phase % 2], k=400)
    return [(at, name) for (at, _), name in zip(at_random("x", [1.0], 40.0, len(names)), names, strict=True)]


TRACES: dict[str, Callable[[], Trace]] = {
    "zipf": functools.partial(at_random, COLD, zipf(1000), 40.0, 5000),
    "many_cold": many_cold,
    "cold_crowds": cold_crowds,
    "scan": scan,
    "alternating": alternating,
}


@functools.cache
def played(trace: str, half: float | None = None) -> Waits:
    """Play a trace once for all tests."""
    return Traffic(half=half).play(TRACES[trace]())


@pytest.mark.parametrize(
    ("trace", "more"), [("zipf", 0.06), ("many_cold", 0.02), ("cold_crowds", 0.01), ("scan", 0.06)]
)
def test_more_requests_find_a_berth_than_with_lru(trace: str, more: float) -> None:
    assert played(trace).hit_rate > played(trace, LRU).hit_rate + more


@pytest.mark.parametrize("trace", ["many_cold", "cold_crowds", "scan"])
def test_a_hot_channel_keeps_its_berth_whatever_is_cold(trace: str) -> None:
    """It waits until it has a berth and is known to be hot, and never again; with LRU again and again, and longer."""
    assert played(trace).longest(HOT) <= ONE_LOAD
    assert sum(wait > 0 for wait in played(trace).of[HOT]) <= 2
    assert not any(played(trace).of[HOT][10:])
    assert sum(wait > 0 for wait in played(trace, LRU).of[HOT]) > 10
    assert played(trace, LRU).longest(HOT) > 4 * ONE_LOAD


@pytest.mark.parametrize("trace", TRACES)
def test_the_cold_ones_do_not_pay_for_it(trace: str) -> None:
    """The longest wait of anybody is at most twice what it is with LRU."""
    assert played(trace).longest() <= 2.0 * played(trace, LRU).longest()


def test_a_set_that_is_asked_for_no_more_gives_its_berths() -> None:
    """It costs some hits while the other set becomes hot, which plain LRU does not pay."""
    assert 0.9 < played("alternating").hit_rate < played("alternating", LRU).hit_rate


def test_answers_that_take_long_do_not_make_the_hot_one_wait() -> None:
    """All berths are busy most of the time: the two that are hottest are spared while a colder one is busy."""
    trace = [(10.0 * at, name) for at, name in many_cold()]
    ours, lru = (Traffic(half=half, serve=4.0).play(trace) for half in (None, LRU))
    assert ours.longest(HOT) <= ONE_LOAD
    assert lru.longest(HOT) > 50 * ONE_LOAD
    assert ours.longest() <= 2.0 * lru.longest()
