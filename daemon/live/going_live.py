"""What a channel has live, and the one way in which that changes.

The order, and what a death of the process at each point leaves:

1. each step of a candidate is written to the ledger before the next begins: a restart tries it again from the store;
2. an attempt is written before the device is touched: if it is still open at the next start it counts as a death, and
   the second death puts these bytes into quarantine;
3. the engine prepares the change of route: no request has seen the candidate, the pointer names what was live;
4. the pointer is written inside the ledger's transaction: a restart serves what the pointer names and corrects the
   ledger accordingly;
5. only then do new requests go to it: so whatever a client was ever told is live, is live after a restart.

One change does not wait for the disk: going back from a generation that its own requests condemned (`go_back`). If the
ledger or the pointer cannot be written, requests go to the older generation first, and `catch_up` writes that later.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from hotswapd.daemon.engines.protocol import Engine, Staged
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import RETIRES, Ledger, LedgerDown, Left
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store

log = structlog.get_logger(__name__)
_REMEMBERED = 8
"""Generations that were live before, kept in memory for the time in which the ledger cannot be read."""


class Beside(Protocol):
    """The generation beside the live one, if any: it makes room when another goes live."""

    def give_way(self, number: int) -> None:
        """End, unless this very generation is the one beside. Raises LedgerDown."""
        ...


class Listener(Protocol):
    """Whoever follows what is live: called on the worker's thread after each change. Must not raise."""

    def went_live(self, live: Generation, staged: Staged, pause: float | None) -> None:
        """Note what is live now; `pause` is in seconds, None at a restart, which interrupts nobody."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One change of what is live, as data: all of it is written in one transaction.

    `row` goes live; a `Find` first becomes a row of its own, with `digest`. `left` is what becomes of the previous
    generation, `refuses` a generation that is not gone back to by default from now on; `pins` sets the pin.
    """

    number: int
    row: Row | Find
    digest: str
    left: Left = RETIRES
    refuses: int | None = None
    pins: bool | None = None


class Live:
    """Owns what one channel has live. `now` is legal on any thread, everything else is for the worker's.

    Every method but `now` may raise ResidentLost or LedgerDown; what was live stays live then.
    """

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        store: Store,
        beside: Beside,
        base: Generation,
        listener: Listener,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Begin with `base`, generation 0, as what its channel has live.

        `on_step` is called before a step that may take long.
        """
        self.channel = base.channel
        self._engine = engine
        self._ledger = ledger
        self._store = store
        self._beside = beside
        self._now = base
        self._listener = listener
        self._on_step = on_step
        self._former: list[Generation] = []
        self._unwritten: list[tuple[Change, Generation]] = []

    @property
    def now(self) -> Generation:
        """The generation that answers requests which name no number."""
        return self._now

    @property
    def former(self) -> list[Generation]:
        """Good generations that this process had live before, newest first: what is known without the ledger."""
        return sorted((one for one in self._former if one.number < self._now.number), key=lambda one: -one.number)

    @property
    def is_behind(self) -> bool:
        """Whether a change is live that could not be written yet."""
        return bool(self._unwritten)

    def next_number(self) -> int:
        """Return a number that no generation ever had, also if the ledger was restored from a backup."""
        return max(self._ledger.generations.next_number(), self._store.highest() + 1)

    def claim(self, number: int) -> None:
        """Keep a number that requests are answered with although it is not live. Also raises Unavailable."""
        record = self._store.pointer(self.channel) or self._now.record()
        self._store.point(record, max(number, self._store.highest()), self.channel)

    def prepare(self, change: Change) -> None:
        """Do what must be done before a change. Also raises Unavailable."""
        self.catch_up()
        self._on_step("commit")
        self._beside.give_way(change.number)

    def go_live(self, change: Change, staged: Staged) -> Generation:
        """Make a verified adapter live as this generation, durably. Also raises NoRoom, Unavailable or Overtaken."""
        self.prepare(change)
        with self._engine.route(staged, change.number, self.channel) as routed:
            failpoint("seat")
            live = self._write(change, time.time())
            failpoint("committed")
        before, self._now = self._now, live
        self.took_over(change, before, staged, routed.pause)
        failpoint("live")
        self.note_pause(live.swap_id, routed.pause)
        return live

    def go_back(self, change: Change, staged: Staged) -> Generation:
        """Make an older generation live at once, even if that cannot be written yet. Raises NoRoom or ResidentLost."""
        try:
            return self.go_live(change, staged)
        except (LedgerDown, Unavailable) as error:
            log.warning("rollback_not_recorded", generation=change.number, detail=f"it is recorded later: {error}")
        with suppress(LedgerDown):  # what is beside has stopped answering by then; its end is written later too
            self._beside.give_way(change.number)
        assert isinstance(change.row, Find)
        live = _generation(change.number, change.row, change.digest, time.time())
        with self._engine.route(staged, change.number, self.channel) as routed:
            self._unwritten.append((change, live))
        before, self._now = self._now, live
        self.took_over(change, before, staged, routed.pause)
        with suppress(Unavailable):  # a restart serves what the pointer names, and corrects the ledger accordingly
            self._store.point(live.record(), channel=self.channel)
        return live

    def clear_beside(self, number: int) -> None:
        """End what is beside the live generation, unless that is generation `number`: a rollback needs its place."""
        self._beside.give_way(number)

    def catch_up(self) -> None:
        """Write what `go_back` could not. Also raises Unavailable; it is due again then."""
        while self._unwritten:
            change, live = self._unwritten[0]
            written = self._write(change, live.since)
            self._unwritten.pop(0)
            if self._now is live:
                self._now = written
            log.info("rollback_recorded", generation=live.number)

    def come_back(self, generation: Generation, staged: Staged) -> None:
        """Make live again what was live before a restart: pointer and ledger already name it. Also raises NoRoom."""
        with self._engine.route(staged, generation.number, self.channel):
            pass
        self._now = generation
        failpoint("restored")

    def come_back_parked(self, generation: Generation) -> None:
        """Make live again what was live before a restart, without a place on the engine: it comes when asked for."""
        self._engine.park(generation.number, generation.digest, self.channel)
        self._now = generation
        failpoint("restored")

    def announce(self) -> None:
        """Report to the listener what is live after a start."""
        staged = self._engine.find(self._now.number)
        if staged is None:
            return
        try:
            self._listener.went_live(self._now, staged, None)
        finally:
            self._engine.drop(staged)

    def _write(self, change: Change, since: float) -> Generation:
        """Write ledger and pointer, both or neither."""
        with self._pointer_kept(), self._ledger.together():
            live = self.record(change, since)
            self._store.point(live.record(), channel=self.channel)
            failpoint("pointed")
        return live

    def record(self, change: Change, since: float) -> Generation:
        """Write a change to the ledger only, in a transaction of the caller's; the caller writes the pointer in it."""
        row = self._row(change)
        live = _generation(change.number, row, row.digest, since, row.swap_id)
        self._ledger.attempts.end(row.digest, SWAP, self.channel, forget=True)
        with self._ledger.going_live(row, live, change.left):
            return live

    def show(self, live: Generation) -> None:
        """Let `now` be what was just routed to."""
        self._now = live

    def took_over(self, change: Change, before: Generation, staged: Staged, pause: float) -> None:
        """Do what follows a change of what is live from `before` to `now`; the listener hears of it."""
        if change.left.state == State.ROLLED_BACK:
            self._engine.close(before.number)
        elif before.number:
            self._former = [*self._former, before][-_REMEMBERED:]
        if change.refuses is not None:
            self._former = [one for one in self._former if one.number != change.refuses]
        self._listener.went_live(self._now, staged, pause)

    def _row(self, change: Change) -> Row:
        if change.refuses is not None:
            self._ledger.generations.refuse(change.refuses)
        if change.pins is not None:
            self._ledger.flags.set("pinned", change.pins, channel=self.channel)
        if isinstance(change.row, Row):
            return change.row
        return self._ledger.add([change.row], digest=change.digest, generation=change.number)[0]

    @contextmanager
    def _pointer_kept(self) -> Iterator[None]:
        """Restore the pointer if the ledger transaction fails."""
        before, highest = self._store.pointer(self.channel), self._store.highest()
        try:
            yield
        except BaseException:
            if self._store.pointer(self.channel) != before:
                try:
                    self._store.point(before or self._now.record(), highest, self.channel)
                except Unavailable as error:
                    log.error("pointer_is_ahead", detail=error.sentence)  # noqa: TRY400 - the sentence says it
            raise

    def note_pause(self, swap_id: str, pause: float) -> None:
        """Write for how many seconds the change kept requests from being taken, if the ledger takes it."""
        try:
            row = self._ledger.rows.get(swap_id)
            self._ledger.amend(row, seconds=row.seconds | {"pause": pause})
        except LedgerDown as error:
            log.warning("pause_not_recorded", detail=str(error))  # it is live, whatever cannot be written now


def _generation(number: int, at: Row | Find, digest: str, since: float, swap_id: str = "") -> Generation:
    return Generation(number, at.uri, at.revision, digest, since, swap_id, at.stamp, at.channel)
