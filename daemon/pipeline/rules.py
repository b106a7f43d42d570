"""The queue's rules as functions of rows: what to fetch next, and what to try next. No state, no clock."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import IN_STORE, UNFETCHED, State

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_LONGEST_HELD = 60.0
"""Seconds. A try that is due later than that was put off before the clock was set back: it is due now."""
_LONGEST_ASKED = 3600.0
"""Seconds for which a source may put off a retry: we respect a server's wait, but not for days."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What decides which candidates are held: the operator's `paused` and `pinned`, a free berth (`room`), the time."""

    paused: bool = False
    pinned: bool = False
    room: bool = True
    now: float = 0.0

    def hold(self, row: Row) -> bool:
        """Tell whether a held row stays held."""
        if row.next_try is not None and self.now < row.next_try <= self.now + _LONGEST_HELD:
            return True
        holds: dict[str, bool] = {
            Reason.PAUSED: self.paused,
            Reason.PINNED: self.pinned,
            Reason.NO_BERTH: not self.room,
        }
        return holds.get(row.reason, False)


def choose(rows: Iterable[Row], conditions: Conditions) -> Row | None:
    """Choose what the worker tries next, from rows in the order newest first.

    A row that is not in the store yet hides no older one. The newest in the store decides: while it is held, an older
    one would only have to give way to it later.
    """
    if conditions.paused:
        return None
    newest = next((row for row in rows if row.state in IN_STORE), None)
    if newest is None or (newest.state == State.HELD and conditions.hold(newest)):
        return None
    return newest


def next_fetch(rows: Sequence[Row], stored: Sequence[Row], is_due: Callable[[Row], bool]) -> Row | None:
    """Choose what a source fetches next of its rows, newest first; `stored` are the rows in the store, of all sources.

    A row that waits for another try hides no older one. An older one is not fetched while a newer one has no verdict.
    """
    newest = max((row.seq for row in stored), default=0)
    return next((row for row in rows if row.state in UNFETCHED and row.seq > newest and is_due(row)), None)


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
