"""The queue: every adapter from its sighting to its end.

The rows lie in the ledger, so that nothing is lost when the process dies; this object adds the waiting and the choice.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, Overtaken
from hotswapd.daemon.ledger.reasons import PAUSED_SENTENCE, Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import IN_STORE, UNFETCHED, State
from hotswapd.daemon.ledger.turn import Turn
from hotswapd.loaders.source import Scan
from hotswapd.loaders.store.artifact import Artifact
from hotswapd.loaders.together import load_members

from .changes import Changes
from .naming import Naming, default_only
from .rules import Conditions, Waits, choose, next_fetch, wait_seconds
from .sightings import Sightings, renamed_sentence
from .turns import Turns

log = structlog.get_logger(__name__)

UNCHANGED = "the bytes at this address are the same as before"


class Inbox:
    """The queue over the ledger. Every method is legal on any thread, and raises LedgerDown if the ledger is down."""

    def __init__(
        self,
        ledger: Ledger,
        sources: Iterable[str],
        changes: Changes,
        clock: Callable[[], float] = time.monotonic,
        naming: Naming = default_only,
    ) -> None:
        """Make a closed queue; `changes` wakes the threads that wait for it, `naming` gives adapters their channels."""
        self.sightings = Sightings(ledger, sources, naming)
        self.ledger = ledger
        self._changes = changes
        self._clock = clock
        self._lock = threading.Lock()
        self._is_open = False
        self._retry_at: dict[str, float] = {}
        self._tried = Turns()
        self._fetched: defaultdict[str, Turns] = defaultdict(Turns)

    def notify(self) -> None:
        """Wake every thread that waits for a change."""
        self._changes.notify()

    def changes(self) -> int:
        """Return the number for `wait`. Take it before you look, so that no change in between is missed."""
        return self._changes.count()

    def wait(self, since: int, seconds: float) -> None:
        """Return once something has changed since `changes` returned this number, or after the seconds."""
        self._changes.wait(since, seconds)

    def scanned(self, source: str, scan: Scan | None) -> None:
        """Take a source's scan; None if it failed."""
        self.sightings.scanned(source, scan)
        self.notify()

    def open(self, live: Mapping[str, Generation], *, guarded: bool = False) -> None:
        """Open the queue; see `Sightings.open`."""
        self.sightings.open(live, guarded=guarded)
        self._is_open = True
        self.notify()

    def renew(self, kept: Collection[str], fresh: Collection[str]) -> None:
        """Change the sources; see `Sightings.renew`."""
        self.sightings.renew(kept, fresh)
        self.notify()

    def next_fetch(self, source: str) -> Row | None:
        """Choose what this source's fetcher fetches next."""
        if not self._is_open:
            return None
        turns, rows = self._fetched[source], self.ledger.rows
        waiting = rows.fetchable(source) if self._backs_off() else rows.fetchable(source, 1)
        turn = next_fetch(waiting, rows.stored(1), self._is_due, turns.last) if waiting else None
        if turn is None:
            return None
        turns.take(turn.channel)
        return self._as_it_is(turn, UNFETCHED)

    def choose(self, conditions: Conditions) -> Row | None:
        """Choose what the worker tries next; its channel has had its turn then."""
        row = self.next_one(conditions)
        if row is not None:
            self._tried.take(row.channel)
        return row

    def next_one(self, conditions: Conditions) -> Row | None:
        """Return what would be tried next as things are now."""
        turn = choose(self.ledger.rows.stored(1), conditions, self._tried.last) if self._is_open else None
        return None if turn is None else self._as_it_is(turn, IN_STORE)

    def _as_it_is(self, turn: Turn, still: Collection[State]) -> Row | None:
        """Read the row whose turn it is; None if another thread has moved it meanwhile, which has woken everybody."""
        row = self.ledger.rows.find(turn.swap_id)
        return row if row is not None and row.state in still else None

    def fetched(self, row: Row, artifact: Artifact, seconds: float) -> None:
        """Record that it is in the store. Raises Overtaken if it was sighted again, or superseded, meanwhile.

        Where its manifest names a set in which its channel is no member, it is an adapter like any other.
        """
        together = artifact.together if row.channel in load_members(artifact.together) else ""
        if row.forced:
            self.ledger.fetched(row, artifact.digest, seconds, together)
        elif self.ledger.rows.place(row.uri, row.channel) == artifact.digest:
            self.ledger.unchanged(row, artifact.digest, seconds, UNCHANGED)
        elif same := self.ledger.rows.same_files(row.identity, artifact.digest, row.channel):
            log.info("renamed", source=row.source, uri=row.uri, was=same.uri)
            self.ledger.renamed(row, artifact.digest, seconds, renamed_sentence(same.uri))
        else:
            self.ledger.fetched(row, artifact.digest, seconds, together)
        self._retry_at.pop(row.swap_id, None)

    def wait_for_another_try(self, row: Row, code: str, sentence: str, after: float | None = None) -> None:
        """Record why it cannot be fetched now; it is tried again after `after` seconds if the source asks for them."""
        seconds, now = wait_seconds(row.tries, after), self._clock()
        self.ledger.move(row, State.WAITING, code, sentence, tries=row.tries + 1, next_try=time.time() + seconds)
        with self._lock:
            later = {swap_id: at for swap_id, at in self._retry_at.items() if at > now}  # the rest are due anyway
            self._retry_at = later | {row.swap_id: now + seconds}

    def hurry(self, row: Row) -> None:
        """Make its next try due at once."""
        self._retry_at.pop(row.swap_id, None)
        self.notify()

    def hold_fetched(self, paused: Collection[str]) -> None:
        """Move what is in the store to HELD in these channels, since their queues are paused."""
        for turn in self.ledger.rows.stored():
            if turn.channel in paused and turn.state in IN_STORE - {State.HELD}:
                row = self._as_it_is(turn, IN_STORE - {State.HELD})
                if row is not None:
                    self._hold(row)

    def _hold(self, row: Row) -> None:
        try:
            self.ledger.move(row, State.HELD, Reason.PAUSED, PAUSED_SENTENCE)
        except Overtaken:
            self.notify()

    def _backs_off(self) -> bool:
        """Tell whether a row is not due, so that an older one of its channel may come first."""
        now = self._clock()
        with self._lock:
            return any(at > now for at in self._retry_at.values())

    def _is_due(self, row: Waits) -> bool:
        return self._clock() >= self._retry_at.get(row.swap_id, 0.0)
