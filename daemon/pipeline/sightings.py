"""From scans to rows: what a scan shows is compared with the ledger, and what is new becomes a row."""

import json
import threading
from collections.abc import Collection, Iterable, Mapping

from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.source import Scan, Sighting

from .rules import in_order

REMOVED_SENTENCE = "its source is not in the configuration any more"
GONE_SENTENCE = "the source deleted it before it was fetched"


class Sightings:
    """Compares scans with the ledger. Every method is legal on any thread and raises LedgerDown.

    A scan shows everything that exists, so if one could not be written down, the next makes up for it. Until `open` is
    called the first scans are only gathered, so that they can be put in one order.
    """

    def __init__(self, ledger: Ledger, sources: Iterable[str]) -> None:
        self._ledger = ledger
        self._lock = threading.RLock()
        self._waited_for = set(sources)
        self._gathered: dict[str, Scan] = {}
        self._answered: set[str] = set()
        self._known: dict[str, dict[str, str]] = {}
        self._asked: dict[str, str] = {}
        self._restored: Generation | None = None
        """What an earlier process made live, for a ledger that was lost and has no live row."""
        self._opened = False

    def scanned(self, source: str, scan: Scan | None) -> None:
        """Take a source's scan; None if it failed."""
        with self._lock:
            self._waited_for.discard(source)
            if scan is None:
                return
            if self._opened:
                self._apply({source: scan}, guarded=source not in self._answered)
            else:
                self._gathered[source] = scan

    def all_scanned(self) -> bool:
        """Tell whether every source has been scanned once, or has failed to be."""
        with self._lock:
            return not self._waited_for

    def open(self, live: Generation | None, *, guarded: bool = False) -> None:
        """Begin, and order the finds of the first scans as if they came from one scan.

        `live` is what an earlier process made live. An older find of a late source does not replace it; with `guarded`,
        because the ledger was lost, an older find of any source does not.
        """
        with self._lock:
            self._restored = live
            self._apply(self._gathered, guarded=guarded)
            self._gathered = {}
            self._opened = True

    def renew(self, kept: Collection[str], fresh: Collection[str]) -> None:
        """Change the sources: rows of all others that are not fetched yet are given up.

        An older find in the first scan of a `fresh` source does not replace what is live.
        """
        with self._lock:
            for source in {*self._known, *self._gathered, *self._waited_for} - set(kept):
                self._known.pop(source, None)
                self._gathered.pop(source, None)
                self._answered.discard(source)
                self._waited_for.discard(source)
            self.give_up_others([*kept, *fresh])

    def give_up_others(self, sources: Iterable[str]) -> None:
        """End the rows that wait to be fetched from a source which is not one of these."""
        names = json.dumps(list(sources))
        for state in (State.SIGHTED, State.WAITING):
            where = "source NOT IN (SELECT value FROM json_each(?))"
            self._ledger.move_all(state, State.GONE, Reason.SOURCE_REMOVED, REMOVED_SENTENCE, where, names)

    def ask(self, uri: str) -> None:
        """Treat whatever the next scan finds at this address as new."""
        with self._lock:
            self._asked[uri] = ""

    def asked(self, uri: str) -> str | None:
        """Return the swap that `ask` has led to, an empty string while there is none, None if nobody asked."""
        with self._lock:
            return self._asked.get(uri)

    def forget(self, uri: str) -> None:
        """Withdraw `ask`."""
        with self._lock:
            self._asked.pop(uri, None)

    def _apply(self, scans: Mapping[str, Scan], *, guarded: bool) -> None:
        """Write what is new and what has changed, thousands in one transaction; only then keep it in memory."""
        finds: list[Find] = []
        asked: list[Row] = []
        seen: dict[str, dict[str, str]] = {}
        with self._ledger.together():
            live = self._live_now() if guarded else None
            for source, scan in scans.items():
                present = {str(sighting.uri): sighting for sighting in scan.sightings}
                known, unfetched = self._known_at(source, present), self._ledger.rows.unfetched(source)
                finds += self._new(source, present, known, unfetched, live)
                asked += self._update_old(unfetched, present)
                seen[source] = {uri: sighting.revision for uri, sighting in present.items()}
            asked += self._ledger.add(in_order(finds)) if finds else []
            if finds:
                failpoint("sighted")
        if finds:
            failpoint("queued")
        for row in asked:
            if row.uri in self._asked:
                self._asked[row.uri] = row.swap_id
        self._known |= seen
        self._answered |= seen.keys()

    def _live_now(self) -> Generation | None:
        """Return the live generation, whether this process or its predecessor made it live."""
        row = self._ledger.rows.live()
        if row is None:
            return self._restored
        return Generation(row.generation or 0, row.uri, row.revision, row.digest, 0.0, row.swap_id, row.stamp)

    def _known_at(self, source: str, present: Mapping[str, Sighting]) -> Mapping[str, str]:
        """Map each present address to the revision last seen there, also if it was absent for a while.

        Memory has only what the last scan showed; the ledger remembers everything that ever was.
        """
        known = self._known.get(source, {})
        fresh = present.keys() - known.keys()
        return {**known, **self._ledger.rows.known(source, fresh)} if fresh else known

    def _new(
        self,
        source: str,
        present: Mapping[str, Sighting],
        known: Mapping[str, str],
        unfetched: Mapping[str, Row],
        live: Generation | None,
    ) -> list[Find]:
        """List the addresses whose present revision has no row; what is older than `live` ends at once."""
        return [
            self._find(source, uri, sighting, None if uri in known else live)
            for uri, sighting in present.items()
            if uri not in unfetched and (known.get(uri) != sighting.revision or self._asked.get(uri) == "")
        ]

    def _find(self, source: str, uri: str, sighting: Sighting, live: Generation | None) -> Find:
        forced = self._asked.get(uri) == ""
        state, reason, detail = _condition(sighting)
        if not forced and live is not None and (sighting.stamp, uri) <= (live.stamp, live.uri):
            state, reason = State.SUPERSEDED, Reason.OLDER_THAN_LIVE
            detail = f"generation {live.number} was already live and is newer"
        return Find(source, uri, sighting.revision, sighting.stamp, state, reason, detail, forced)

    def _update_old(self, unfetched: Mapping[str, Row], present: Mapping[str, Sighting]) -> list[Row]:
        """Update the rows that are not fetched yet to what is there now; return those that somebody asked for."""
        asked = []
        for uri, row in unfetched.items():
            if self._asked.get(uri) == "":
                row = self._ledger.amend(row, forced=True)  # noqa: PLW2901 - the same row from here on
                asked.append(row)
            self._update_one(row, present.get(uri))
        return asked

    def _update_one(self, row: Row, sighting: Sighting | None) -> None:
        if sighting is None:
            self._ledger.move(row, State.GONE, Reason.GONE, GONE_SENTENCE)
            return
        state, reason, detail = _condition(sighting)
        if row.revision != sighting.revision:
            find = Find(row.source, row.uri, sighting.revision, sighting.stamp, state, reason, detail)
            self._ledger.resight(row, find)
        elif row.tries == 0 and _says_something_new(row, state, reason):
            self._ledger.move(row, state, reason, detail)


def _says_something_new(row: Row, state: State, reason: str) -> bool:
    """Compare with the row. A sighted row that was opened again has a reason, which is not news."""
    return row.state != state or (state == State.WAITING and row.reason != reason)


def _condition(sighting: Sighting) -> tuple[State, str, str]:
    if sighting.waiting is None:
        return State.SIGHTED, "", ""
    return State.WAITING, sighting.waiting.code, sighting.waiting.sentence
