"""From what scans see to what the ledger says is new."""

import threading
from collections.abc import Iterable, Mapping

from ..loaders.source import Scan, Sighting
from .ledger import Ledger, Overtaken
from .lifecycle import State
from .rows import Find, Generation, Row
from .rules import in_order

GONE_SENTENCE = "the source deleted it before it was fetched"


class Sightings:
    """Compares scans with the ledger. Every method is legal on any thread and raises LedgerDown.

    Scans say all that exists, so one that could not be written down is made good by the next. Until `open` is called
    the first scans are only gathered, so that one order can be made of all of them.
    """

    def __init__(self, ledger: Ledger, sources: Iterable[str]) -> None:
        self._ledger = ledger
        self._lock = threading.RLock()
        self._waited_for = set(sources)
        self._gathered: dict[str, Scan] = {}
        self._answered: set[str] = set()
        self._known: dict[str, dict[str, str]] = {}
        self._asked: dict[str, str] = {}
        self._live: Generation | None = None
        self._opened = False

    def scanned(self, source: str, scan: Scan | None) -> None:
        """Take what a source sees now; None when it could not look."""
        with self._lock:
            self._waited_for.discard(source)
            if scan is None:
                return
            if self._opened:
                self._apply({source: scan}, guarded=source not in self._answered)
            else:
                self._gathered[source] = scan

    def all_scanned(self) -> bool:
        """Say whether every source has looked once, or failed to."""
        with self._lock:
            return not self._waited_for

    def open(self, live: Generation | None, *, guarded: bool = False) -> None:
        """Begin, and order what the first scans saw as if one scan had seen it.

        `live` is what an earlier process made live: what a late source sees does not replace it when it is older, and
        with `guarded`, because the ledger was lost, what any source sees.
        """
        with self._lock:
            self._live = live
            self._apply(self._gathered, guarded=guarded)
            self._gathered = {}
            self._opened = True

    def ask(self, uri: str) -> None:
        """Take what the next scan sees at this address as new, whatever it is."""
        with self._lock:
            self._asked[uri] = ""

    def asked(self, uri: str) -> str | None:
        """Return the swap that came of `ask`, an empty string while none has, None when nobody asked."""
        with self._lock:
            return self._asked.get(uri)

    def forget(self, uri: str) -> None:
        """Take `ask` back."""
        with self._lock:
            self._asked.pop(uri, None)

    def _apply(self, scans: Mapping[str, Scan], *, guarded: bool) -> None:
        finds: list[Find] = []
        for source, scan in scans.items():
            present = {str(sighting.uri): sighting for sighting in scan.sightings}
            finds += self._new(source, present, guarded=guarded)
            self._update_old(source, present)
        added = self._ledger.add(in_order(finds)) if finds else []
        for row in added:
            if row.uri in self._asked:
                self._asked[row.uri] = row.swap_id
        for source, scan in scans.items():
            self._known[source] = {str(sighting.uri): sighting.revision for sighting in scan.sightings}
            self._answered.add(source)

    def _new(self, source: str, present: Mapping[str, Sighting], *, guarded: bool) -> list[Find]:
        """List the addresses that have no row for what is there now."""
        known = self._known.get(source)
        if known is None:
            known = self._ledger.known(source)
        unfetched = self._ledger.unfetched(source)
        return [
            self._find(source, uri, sighting, guarded=guarded and uri not in known)
            for uri, sighting in present.items()
            if uri not in unfetched and (known.get(uri) != sighting.revision or self._asked.get(uri) == "")
        ]

    def _find(self, source: str, uri: str, sighting: Sighting, *, guarded: bool) -> Find:
        forced = self._asked.get(uri) == ""
        live = self._live
        state, reason, detail = _condition(sighting)
        if guarded and not forced and live is not None and (sighting.stamp, uri) <= (live.stamp, live.uri):
            state, reason = State.SUPERSEDED, "older_than_live"
            detail = f"generation {live.number} was already live and is newer"
        return Find(source, uri, sighting.revision, sighting.stamp, state, reason, detail, forced)

    def _update_old(self, source: str, present: Mapping[str, Sighting]) -> None:
        """Bring the rows that are not fetched yet up to what is there now."""
        for uri, row in self._ledger.unfetched(source).items():
            try:
                self._update_one(row, present.get(uri))
            except Overtaken:
                continue  # the fetcher was faster: the next scan sees the new state

    def _update_one(self, row: Row, sighting: Sighting | None) -> None:
        if self._asked.get(row.uri) == "":
            self._asked[row.uri] = row.swap_id
            row = self._ledger.amend(row, forced=True)
        if sighting is None:
            self._ledger.move(row, State.GONE, "gone", GONE_SENTENCE)
            return
        state, reason, detail = _condition(sighting)
        if row.revision != sighting.revision:
            find = Find(row.source, row.uri, sighting.revision, sighting.stamp, state, reason, detail)
            self._ledger.resight(row, find)
        elif row.tries == 0 and (row.state, row.reason) != (state, reason):
            self._ledger.move(row, state, reason, detail)


def _condition(sighting: Sighting) -> tuple[State, str, str]:
    if sighting.waiting is None:
        return State.SIGHTED, "", ""
    return State.WAITING, sighting.waiting.code, sighting.waiting.sentence
