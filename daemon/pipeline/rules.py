"""The queue's rules as functions of rows: what to fetch next, and what to try next. No state, no clock."""

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.states import IN_STORE, UNFETCHED, State

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_LONGEST_HELD = 60.0
"""Seconds. A try that is due later than that was put off before the clock was set back: it is due now."""
_LONGEST_ASKED = 3600.0
"""Seconds for which a source may put off a retry: we respect a server's wait, but not for days."""


class Waits(Protocol):
    """A row as the rules see it: a whole one, or only its turn."""

    @property
    def swap_id(self) -> str:
        """Which swap it is."""
        ...

    @property
    def channel(self) -> str:
        """The channel that it is for."""
        ...

    @property
    def seq(self) -> int:
        """Its place in the order of sightings."""
        ...

    @property
    def state(self) -> State:
        """Where it is on its way."""
        ...

    @property
    def reason(self) -> str:
        """Why it is there."""
        ...

    @property
    def next_try(self) -> float | None:
        """When it is due again, in seconds since the epoch."""
        ...


W = TypeVar("W", bound=Waits)
Served = Callable[[str], int]
"""Tells when a channel had its last turn, as a number that grows; 0 for never."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What decides which candidates are held: channels that are `paused` or `pinned`, a free place (`room`), the time.

    `busy` tells that a candidate must wait for the rollout of its channel.
    """

    paused: Collection[str] = ()
    pinned: Collection[str] = ()
    room: bool = True
    now: float = 0.0
    busy: Callable[[Waits], bool] = lambda _: False

    def stops(self, row: Waits) -> bool:
        """Tell whether the newest of a channel is not tried now, and so nothing of that channel is."""
        return row.channel in self.paused or (row.state == State.HELD and self.hold(row)) or self.busy(row)

    def hold(self, row: Waits) -> bool:
        """Tell whether a held row stays held."""
        if row.next_try is not None and self.now < row.next_try <= self.now + _LONGEST_HELD:
            return True
        holds: dict[str, bool] = {Reason.PINNED: row.channel in self.pinned, Reason.NO_BERTH: not self.room}
        return holds.get(row.reason, False)


def choose(rows: Iterable[W], conditions: Conditions, served: Served = lambda _: 0) -> W | None:
    """Choose what the worker tries next, from rows in the order newest first.

    The channels take turns: the one whose last turn is longest ago comes first. In each, the newest in the store
    decides: while it is held, an older one would only have to give way to it later. A row that is not in the store yet
    hides no older one.
    """
    newest = _first_of_each(row for row in rows if row.state in IN_STORE)
    return _next_of((row for row in newest if not conditions.stops(row)), served)


def next_fetch(
    rows: Sequence[W], stored: Iterable[Waits], is_due: Callable[[W], bool], served: Served = lambda _: 0
) -> W | None:
    """Choose what a source fetches next of its rows, newest first; `stored` are the rows in the store, of all sources.

    The channels take turns. A row that waits for another try hides no older one; an older one is not fetched while a
    newer one of its channel has no verdict.
    """
    newest: dict[str, int] = {}
    for row in stored:
        newest[row.channel] = max(row.seq, newest.get(row.channel, 0))
    wanted = (row for row in rows if row.state in UNFETCHED and row.seq > newest.get(row.channel, 0) and is_due(row))
    return _next_of(_first_of_each(wanted), served)


def _first_of_each(rows: Iterable[W]) -> Collection[W]:
    """Return the first row of each channel."""
    found: dict[str, W] = {}
    for row in rows:
        found.setdefault(row.channel, row)
    return found.values()


def _next_of(rows: Iterable[W], served: Served) -> W | None:
    """Return the row of the channel that has waited longest for a turn, the one sighted first if they are equal."""
    return min(rows, key=lambda row: (served(row.channel), row.seq), default=None)


def in_order(finds: Iterable[Find]) -> list[Find]:
    """Sort the finds of one scan: by the source's own clock, then by address."""
    return sorted(finds, key=lambda find: (find.stamp, find.uri))


def wait_seconds(tries: int, asked: float | None = None, rng: Callable[[], float] = random.random) -> float:
    """Return the seconds until the next try: doubling from 1 s to 5 min, with jitter, or what the source asked for.

    What a source asks for counts up to an hour.
    """
    if asked is not None:
        return min(max(_FIRST_WAIT, asked), _LONGEST_ASKED)
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(tries, 20))
    return longest * (0.5 + 0.5 * rng())
