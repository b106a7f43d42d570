"""Requests for many channels on few berths, in simulated time: the product's own rows and berths, and no model."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch

from hotswapd.swap.berths.berths import Berths
from hotswapd.swap.berths.image import Image
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.heat import Heat
from hotswapd.swap.rows.loop import Loop
from hotswapd.swap.rows.returning import Returning
from hotswapd.swap.rows.rows import Rows
from hotswapd.swap.rows.tickets import Outcome, Parked, Ticket

from .clock import Clock

Trace = Sequence[tuple[float, str]]
"""When which channel is asked for, in seconds, in this order."""
LRU = 0.01
"""The half-life, in requests, at which only the moment of the last request decides: plain LRU."""


@dataclass(slots=True)
class Waits:
    """How long each channel's requests have waited for a berth, in seconds; 0 if it had one."""

    of: dict[str, list[float]] = field(default_factory=dict)

    @property
    def all(self) -> list[float]:
        """Those of all channels."""
        return list(itertools.chain.from_iterable(self.of.values()))

    @property
    def hit_rate(self) -> float:
        """The share of requests that found their channel in a berth."""
        return self.all.count(0.0) / len(self.all)

    def longest(self, *names: str) -> float:
        """The longest wait of these channels; without names, of all."""
        return max(itertools.chain.from_iterable(self.of[name] for name in names)) if names else max(self.all)


class Traffic:
    """Plays a trace: a berth takes `load` seconds to fill, one at a time, and a request `serve` seconds to answer."""

    def __init__(self, *, berths: int = 16, half: float | None = None, load: float = 0.01, serve: float = 0.2) -> None:
        """`half` is the half-life of `Heat`, in requests; without it, the product's."""
        self._clock, self._load, self._serve = Clock(0.0), load, serve
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._asked_at: dict[str, float] = {}
        self._waits = Waits()
        self._berths = Berths(1, berths, torch.device("cpu"))
        heat = None if half is None else Heat(half)
        self._rows = Rows(self._berths, max_queue=1 << 30, clock=self._clock, heat=heat)
        self._rows.loop = cast("Loop", self)
        self._returning = Returning(self._rows, self._bring, self._berths.release)

    def play(self, trace: Trace) -> Waits:
        """Ask as the trace says until all is answered; in the beginning every channel is parked."""
        for number, name in enumerate(sorted({name for _, name in trace}), start=1):
            self._rows.park(number, f"{number:064x}", name)
            self._waits.of[name] = []
        for at, name in trace:
            self._at(at, lambda name=name: self._ask(name))  # type: ignore[misc]
        while self._due:
            self._next()
            while self._returning.turn():
                pass
        assert len(self._waits.all) == len(trace), "a request was never answered"
        return self._waits

    # What rows expect of a loop

    death = None

    def submit(self, ticket: Ticket) -> None:
        """Begin to answer."""
        self._waits.of[ticket.channel].append(self._clock.now - self._asked_at.pop(ticket.name, self._clock.now))
        self._at(self._clock.now + self._serve, lambda: self._rows.tell(ticket, Outcome(1, "length")))

    # The world

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), act))

    def _next(self) -> None:
        self._clock.now, _, act = heapq.heappop(self._due)
        act()

    def _ask(self, name: str) -> None:
        ticket = self._rows.submit(Ask((1,), 1, name=name), lambda _: None)
        if isinstance(ticket.place, Parked):
            self._asked_at[ticket.name] = self._clock.now

    def _bring(self, parked: Parked) -> Image:
        """Fill a berth, while requests come and end."""
        kept = self._berths.kept(parked.number)
        if kept is not None:
            self._berths.hold(kept)
            return kept
        image = self._berths.take(parked.digest)
        filled = self._clock.now + self._load
        while self._due and self._due[0][0] <= filled:
            self._next()
        self._clock.now = filled
        return image


def zipf(count: int, power: float = 1.0) -> list[float]:
    """Return the weights of so many channels, the first the heaviest."""
    return [1.0 / place**power for place in range(1, count + 1)]


def at_random(names: Sequence[str], weights: Sequence[float], rate: float, requests: int, seed: int = 0) -> Trace:
    """So many requests at `rate` a second, each for a channel by its weight."""
    rng = random.Random(seed)
    times = itertools.accumulate(rng.expovariate(rate) for _ in range(requests))
    return list(zip(times, rng.choices(names, weights, k=requests), strict=True))


def steady(name: str, every: float, until: float) -> Iterator[tuple[float, str]]:
    """One channel, asked for every so many seconds."""
    return ((turn * every, name) for turn in range(int(until / every)))


def crowds(names: Sequence[str], size: int, every: float, until: float) -> Iterator[tuple[float, str]]:
    """Every so many seconds, the next `size` of these channels, all at once."""
    coming = itertools.cycle(names)
    return ((turn * every, next(coming)) for turn in range(1, int(until / every)) for _ in range(size))


def together(*traces: Iterator[tuple[float, str]] | Trace) -> Trace:
    """Merge traces by their times."""
    return sorted(itertools.chain.from_iterable(traces))
