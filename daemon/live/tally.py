"""Counts of a generation's requests, whose they are, and what a degenerate answer is."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from statistics import median

from hotswapd.daemon.host.running_clock import RunningClock
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.paces import Load

from .clients import whose

_TAIL, _SAME = 32, 0.9
"""An answer is degenerate if one token makes up this share of this many last tokens."""
_PACES = 512
"""Paces that are kept for each load, the newest."""
_CLIENTS = 4096
"""Clients that are told apart; what later ones ask counts as one client's."""
_OTHERS = "others"


@dataclass(slots=True)
class Counts:
    """Ended requests, and how many of them were bad in which way."""

    requests: int = 0
    non_finite: int = 0
    degenerate: int = 0
    errors: int = 0

    def count(self, ended: Ended) -> None:
        """Count one request. An answer to extreme sampling is not called degenerate: its client has made it so."""
        self.requests += 1
        self.non_finite += ended.non_finite
        self.degenerate += ended.usual and is_degenerate(ended.token_ids)
        self.errors += ended.finish == "error"

    def share(self, count: int) -> float:
        """Return a count as a share of all requests, 0 while there are none."""
        return count / self.requests if self.requests else 0.0


def _by_load() -> defaultdict[Load, deque[float]]:
    return defaultdict(lambda: deque(maxlen=_PACES))


@dataclass(slots=True)
class Tally(Counts):
    """What was counted of one generation. `paces` are seconds a step, by what was in it."""

    clients: dict[str, Counts] = field(default_factory=dict)
    paces: defaultdict[Load, deque[float]] = field(default_factory=_by_load)

    def add(self, ended: Ended) -> None:
        """Count one request."""
        self.count(ended)
        client = whose(ended.client)
        if client not in self.clients and len(self.clients) >= _CLIENTS:
            client = _OTHERS
        self.clients.setdefault(client, Counts()).count(ended)
        for load, seconds in () if ended.delayed else ended.paces:
            self.paces[load].append(seconds)

    def acquit(self) -> None:
        """Count the degenerate answers so far no more."""
        for one in (self, *self.clients.values()):
            one.degenerate = 0

    def without_one(self) -> Iterator[Counts]:
        """Yield what was counted of all clients but one, for each of them."""
        for one in self.clients.values():
            yield Counts(
                self.requests - one.requests,
                self.non_finite - one.non_finite,
                self.degenerate - one.degenerate,
                self.errors - one.errors,
            )


@dataclass(frozen=True, slots=True)
class Slower:
    """A step of a generation and of others at the same load, in seconds: nine in ten of `now` take at least as long.

    What else keeps the machine busy slows some steps, and an adapter all of them.
    """

    now: float
    others: float

    @property
    def ratio(self) -> float:
        """How many times as long a step takes."""
        return self.now / self.others


def fairly_timed(ended: Ended, clock: RunningClock) -> Ended:
    """Say so if threads of this process waited for a processor while it was answered."""
    return replace(ended, delayed=True) if clock.was_late(ended.first + ended.seconds) else ended


def compared(now: Tally, others: list[Tally], least: int) -> Slower | None:
    """Compare steps of the same load only, and where both have so many; None if there are none.

    Of several loads the middle one counts.
    """
    found = []
    for load, paces in now.paces.items():
        theirs = [pace for other in others for pace in other.paces.get(load, ())]
        if len(paces) >= least and len(theirs) >= least:
            found.append(Slower(sorted(paces)[len(paces) // 10], median(theirs)))
    return sorted(found, key=lambda one: one.ratio)[(len(found) - 1) // 2] if found else None


def is_degenerate(tokens: tuple[int, ...]) -> bool:
    """Tell whether an answer ends in one token over and over."""
    tail = tokens[-_TAIL:]
    return len(tail) == _TAIL and Counter(tail).most_common(1)[0][1] >= _SAME * _TAIL
