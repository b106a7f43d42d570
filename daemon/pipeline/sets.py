"""Sets: candidates of several channels that were published together go live at one moment, or none of them does.

One turn of the worker tries all members, once all are in the store: each is admitted, staged and verified like any
candidate and keeps its berth, and then all routes change. While a member is missing, pinned or paused, or its channel
has a rollout, the others are held; when one is refused, or has had its time, so are they.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.engines.protocol import Staged
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import ENDS, UNFETCHED, State
from hotswapd.daemon.live.going_live import Change
from hotswapd.daemon.live.together import Member, Together
from hotswapd.loaders.together import load_members

from .attempt import Ending, Pauses
from .rules import Waits

log = structlog.get_logger(__name__)
T = TypeVar("T")
_AGAIN, _NO_BERTHS = 5.0, 30.0
"""Seconds until a set that could not be tried is tried again; where berths were missing it costs all of its members."""


class Tries(Protocol):
    """How one candidate is tried; `Candidates` is it, and has the docstrings."""

    def again(self, row: Row) -> Row: ...

    def known_verdict(self, row: Row) -> Ending | None: ...

    def verified(self, row: Row, pauses: Pauses) -> tuple[Row, Staged | Ending]: ...

    def explained(self, run: Callable[[], T]) -> T | Ending: ...

    def end(self, row: Row, ending: Ending) -> Row: ...


@dataclass(frozen=True, slots=True)
class Ready:
    """A member that passed, with its place on the engine."""

    row: Row
    staged: Staged


class Sets:
    """Tries sets. For the worker's thread; raises ResidentLost, LedgerDown or Overtaken."""

    def __init__(
        self, tries: Tries, channels: Channels, ledger: Ledger, together: Together, drop: Callable[[Staged], None]
    ) -> None:
        """`drop` gives up the hold of what was staged."""
        self._tries = tries
        self._channels = channels
        self._ledger = ledger
        self._together = together
        self._drop = drop

    def holds(self, turn: Waits) -> bool:
        """Tell whether a held member still waits for just what its row says."""
        if turn.state != State.HELD or turn.reason not in (Reason.SET_INCOMPLETE, Reason.SET_BLOCKED):
            return False
        row = self._ledger.rows.get(turn.swap_id)
        obstacle = self._obstacle(row.together)
        return obstacle is not None and (obstacle.reason, obstacle.detail) == (row.reason, row.detail)

    def run(self, row: Row, pauses: Pauses) -> None:
        """Try the set of this row, which is in the store, or write why it cannot be tried."""
        obstacle = self._obstacle(row.together)
        if obstacle is not None:
            self._end_all([row], obstacle)
            return
        with ExitStack() as held:
            ready: list[Ready] = []
            left = self._to_try(row.together)
            while left:
                now, found = self._verified(left.pop(0), pauses)
                if isinstance(found, Ending):
                    self._fail(now, found, [*(one.row for one in ready), *left])
                    return
                held.callback(self._drop, found)
                ready.append(Ready(now, found))
            self._settle(ready)

    def _verified(self, row: Row, pauses: Pauses) -> tuple[Row, Staged | Ending]:
        with structlog.contextvars.bound_contextvars(swap_id=row.swap_id, channel=row.channel):
            row = self._tries.again(row)
            known = self._tries.known_verdict(row)
            if known is not None:
                return row, known
            row, found = self._tries.verified(row, pauses)
            self._ledger.attempts.end(row.digest, SWAP, row.channel)  # a death with another member is not due to it
            return row, found

    def _settle(self, ready: Sequence[Ready]) -> None:
        """Make all live, unless something has come between while they were verified."""
        rows = [one.row for one in ready]
        obstacle = self._obstacle(rows[0].together) or self._tries.explained(lambda: self._go_live(ready))
        if obstacle is not None:
            self._end_all(rows, obstacle)

    def _go_live(self, ready: Sequence[Ready]) -> None:
        members: list[Member] = []
        for one in ready:
            live = self._channels.of(one.row.channel).live
            number = live.next_number() + len(members)
            self._ledger.attempts.begin(one.row.digest, SWAP, "commit", one.row.channel)
            members.append(Member(live, Change(number, one.row, one.row.digest), one.staged))
        lives = self._together.go_live(members)
        log.info("set_live", members={live.channel: live.number for live in lives})

    def _fail(self, row: Row, ending: Ending, others: Sequence[Row]) -> None:
        """Write how one member ended, and what that means for the others."""
        name = f"{row.channel}, a member of its set,"
        why = f"{ending.reason}: {ending.detail}" if ending.detail else ending.reason
        match ending.state:
            case State.HELD:
                other = Ending(State.HELD, Reason.SET_BLOCKED, f"{name} is held ({why})")
            case State.WAITING:
                other = Ending(State.HELD, Reason.SET_INCOMPLETE, _incomplete(row.channel))
            case State.FETCHED:
                other = ending
            case _:
                other = Ending(State.REJECTED, Reason.SET_REFUSED, _refused(row.channel, ending.state, ending.reason))
        if ending.reason == Reason.NO_BERTH:
            self._end_all([row, *others], ending)
            return
        self._tries.end(row, ending)
        self._end_all(others, other)

    def _end_all(self, rows: Iterable[Row], ending: Ending) -> None:
        """Write the same end for all of these."""
        seconds = _AGAIN
        if ending.reason == Reason.NO_BERTH:  # for its own reason it would be tried as soon as there is one berth
            seconds = _NO_BERTHS
            ending = Ending(State.HELD, Reason.SET_BLOCKED, f"not every member has a berth: {ending.detail}")
        for row in rows:
            self._ledger.attempts.end(row.digest, SWAP, row.channel)
            if ending.reason in (Reason.SET_INCOMPLETE, Reason.SET_BLOCKED):
                due = None if ending == self._obstacle(row.together) else time.time() + seconds
                self._ledger.move(row, ending.state, ending.reason, ending.detail, next_try=due)
            elif row.state != ending.state:
                self._tries.end(row, ending)

    # What a set consists of, and what is in its way

    def _to_try(self, together: str) -> list[Row]:
        found = self._ledger.rows.members(together)
        missing = self._missing(together)
        return [self._ledger.rows.get(found[name, digest].swap_id) for name, digest in missing.items()]

    def _missing(self, together: str) -> dict[str, str]:
        """Return the members that are not live already."""
        return {name: digest for name, digest in load_members(together).items() if not self._is_live(name, digest)}

    def _is_live(self, name: str, digest: str) -> bool:
        channel = self._channels.peek(name)
        return channel is not None and channel.live.now.digest == digest

    def _obstacle(self, together: str) -> Ending | None:
        """Return how a row of this set must end for now, naming the member that is in the way; None if none is.

        What will never change comes first, then what has not arrived.
        """
        found = self._ledger.rows.members(together)
        missing = {name: found.get((name, digest)) for name, digest in self._missing(together).items()}
        for name, turn in missing.items():
            if turn is not None and turn.state in ENDS:
                return Ending(State.REJECTED, Reason.SET_REFUSED, _refused(name, turn.state, turn.reason))
        for name, turn in missing.items():
            if turn is None or turn.state in UNFETCHED or turn.state == State.IGNORED:
                return Ending(State.HELD, Reason.SET_INCOMPLETE, _incomplete(name))
        for name in missing:
            if why := self._blocked(name):
                return Ending(State.HELD, Reason.SET_BLOCKED, f"{name}, a member of its set, {why}")
        return None

    def _blocked(self, name: str) -> str:
        """Return, as half a sentence, why nothing may go live in a channel now; empty if it may."""
        flags, channel = self._ledger.flags, self._channels.peek(name)
        if flags.pinned(name):
            return f"is pinned; `hotswapd unpin --channel {name}` lets the set go live"
        if flags.paused(name):
            return f"is paused; `hotswapd resume --channel {name}` lets the set go live"
        if channel is not None and channel.rollouts.runs:
            return f"has a rollout under way; `hotswapd ab stop --channel {name}` ends one that was begun by hand"
        return ""


def _refused(name: str, state: State, reason: str) -> str:
    why = f"{state}, {reason}" if reason else state
    return f"{name}, a member of its set, does not go live any more ({why}): none of the set does; publish it again"


def _incomplete(name: str) -> str:
    return f"{name}, a member of its set, has not arrived; publish the whole set again if it does not come"
