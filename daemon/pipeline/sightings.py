"""From scans to rows: what a scan shows is compared with the ledger, and what is new becomes a row."""

import json
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog

from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.codes import IgnoredCode
from hotswapd.loaders.source import Scan, Sighting

from .naming import Named, Naming, default_only
from .rules import in_order

log = structlog.get_logger(__name__)

REMOVED_SENTENCE = "its source is not in the configuration any more"
GONE_SENTENCE = "the source deleted it before it was fetched"


def renamed_sentence(was: str) -> str:
    """Return why files that were moved to another name are not tried."""
    return f"these very files were known as {was}: they were moved; a copy, or `submit --again`, is tried"


Known = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one scan of a source is compared with. What is `known` of an address is its channel and its revision."""

    source: str
    present: Mapping[str, Sighting]
    named: Mapping[str, Named]
    known: Mapping[str, Known]
    unfetched: Mapping[str, Row]


class Sightings:
    """Compares scans with the ledger. Every method is legal on any thread and raises LedgerDown.

    A scan shows everything that exists, so if one could not be written down, the next makes up for it. Until `open` is
    called the first scans are only gathered, so that they can be put in one order.
    """

    def __init__(self, ledger: Ledger, sources: Iterable[str], naming: Naming = default_only) -> None:
        """Wait for the first scan of these sources; `naming` gives adapters their channels."""
        self._ledger = ledger
        self._naming = naming
        self._lock = threading.RLock()
        self._waited_for = set(sources)
        self._gathered: dict[str, Scan] = {}
        self._answered: set[str] = set()
        self._known: dict[str, dict[str, Known]] = {}
        self._asked: dict[str, str] = {}
        self._restored: Mapping[str, Generation] = {}
        """What an earlier process made live, by channel, for a ledger that was lost and has no live rows."""
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

    def open(self, live: Mapping[str, Generation], *, guarded: bool = False) -> None:
        """Begin, and order the finds of the first scans as if they came from one scan.

        `live` is what an earlier process made live, by channel. An older find of a late source does not replace it;
        with `guarded`, because the ledger was lost, an older find of any source does not.
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
        for state in (State.SIGHTED, State.WAITING, State.IGNORED):
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
        seen: dict[str, dict[str, Known]] = {}
        with self._ledger.together():
            for source, scan in scans.items():
                one = self._compared(source, scan)
                finds += self._new(one, guarded=guarded)
                asked += self._update_old(one)
                seen[source] = {uri: _known(one, uri) for uri in one.present}
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

    def _live_now(self, channel: str) -> Generation | None:
        """Return what a channel has live, whether this process or its predecessor made it live."""
        row = self._ledger.rows.live(channel)
        if row is None:
            return self._restored.get(channel)
        at = row.uri, row.revision, row.digest
        return Generation(row.generation or 0, *at, 0.0, row.swap_id, row.stamp, channel)

    def _known_at(self, source: str, present: Mapping[str, Sighting]) -> Mapping[str, Known]:
        """Map each present address to channel and revision last seen there, also if it was absent for a while.

        Memory has only what the last scan showed; the ledger remembers everything that ever was.
        """
        known = self._known.get(source, {})
        fresh = present.keys() - known.keys()
        return {**known, **self._ledger.rows.known(source, fresh)} if fresh else known

    def _compared(self, source: str, scan: Scan) -> _Seen:
        present = {str(sighting.uri): sighting for sighting in scan.sightings}
        if source not in self._answered:
            files = ((one.identity, uri, one.revision) for uri, one in present.items() if one.identity)
            self._ledger.identify(source, files)
        unfetched = self._follow(source, present, self._ledger.rows.unfetched(source))
        name = self._naming(source)
        named = {uri: name(one.uri) for uri, one in present.items()}
        return _Seen(source, present, named, self._known_at(source, present), unfetched)

    def _follow(self, source: str, present: Mapping[str, Sighting], rows: dict[str, Row]) -> dict[str, Row]:
        """Give rows whose files were moved before they were fetched their new address; they keep their turn."""
        absent = [row for row in rows.values() if row.uri not in present and row.state != State.IGNORED]
        if not absent:
            return rows
        now_at = {one.revision: uri for uri, one in present.items() if one.identity and uri not in rows}
        for row in absent:
            uri = now_at.pop(row.revision, None)
            if uri is not None:
                log.info("renamed", source=source, uri=uri, was=row.uri)
                del rows[row.uri]
                rows[uri] = self._ledger.amend(row, uri=uri)
        return rows

    def _new(self, one: _Seen, *, guarded: bool) -> list[Find]:
        """List the addresses whose present revision has no row; if `guarded`, what is older than live ends at once."""
        fresh = [
            uri
            for uri in one.present
            if uri not in one.unfetched and (one.known.get(uri) != _known(one, uri) or self._asked.get(uri) == "")
        ]
        moved = self._moved(one, fresh)
        return [
            _renamed(one.source, uri, one.present[uri], moved[uri])
            if uri in moved
            else self._find(one, uri, guarded=guarded and uri not in one.known)
            for uri in fresh
        ]

    def _moved(self, one: _Seen, fresh: Iterable[str]) -> dict[str, Row]:
        """Map the addresses at which known files were found, unchanged under another name, to the rows of those.

        Files that were moved into another channel are new there.
        """
        files = {uri: _known(one, uri) for uri in fresh if one.present[uri].identity and self._asked.get(uri) != ""}
        rows = self._ledger.rows.moved([revision for _, revision in files.values()]) if files else {}
        return {uri: rows[known] for uri, known in files.items() if known in rows}

    def _find(self, one: _Seen, uri: str, *, guarded: bool) -> Find:
        sighting, named, forced = one.present[uri], one.named[uri], self._asked.get(uri) == ""
        live = self._live_now(named.channel) if guarded and not forced else None
        state, reason, detail = _condition(sighting, named)
        if live is not None and (sighting.stamp, uri) <= (live.stamp, live.uri):
            state, reason = State.SUPERSEDED, Reason.OLDER_THAN_LIVE
            detail = f"generation {live.number} was already live and is newer"
        at = one.source, uri, sighting.revision, sighting.stamp
        return Find(*at, state, reason, detail, forced, sighting.identity, channel=named.channel)

    def _update_old(self, one: _Seen) -> list[Row]:
        """Update the rows that are not fetched yet to what is there now; return those that somebody asked for."""
        asked = []
        for uri, row in one.unfetched.items():
            if self._asked.get(uri) == "":
                row = self._ledger.amend(row, forced=True)  # noqa: PLW2901 - the same row from here on
                asked.append(row)
            self._update_one(row, one.present.get(uri), one.named.get(uri, Named()))
        return asked

    def _update_one(self, row: Row, sighting: Sighting | None, named: Named) -> None:
        if sighting is None:
            self._ledger.move(row, State.GONE, Reason.GONE, GONE_SENTENCE)
            return
        state, reason, detail = _condition(sighting, named)
        if (row.channel, row.revision) != (named.channel, sighting.revision):
            at = row.source, row.uri, sighting.revision, sighting.stamp
            identity, channel = sighting.identity, named.channel
            self._ledger.resight(row, Find(*at, state, reason, detail, identity=identity, channel=channel))
        elif row.tries == 0 and _says_something_new(row, state, reason):
            self._ledger.move(row, state, reason, detail)


def _says_something_new(row: Row, state: State, reason: str) -> bool:
    """Compare with the row. A sighted row that was opened again has a reason, which is not news."""
    return row.state != state or (state == State.WAITING and row.reason != reason)


def _renamed(source: str, uri: str, sighting: Sighting, was: Row) -> Find:
    log.info("renamed", source=source, uri=uri, was=was.uri)
    return Find(
        source,
        uri,
        sighting.revision,
        sighting.stamp,
        State.SUPERSEDED,
        Reason.RENAMED,
        renamed_sentence(was.uri),
        identity=sighting.identity,
        digest=was.digest,
        channel=was.channel,
    )


def _known(one: _Seen, uri: str) -> Known:
    return one.named[uri].channel, one.present[uri].revision


def _condition(sighting: Sighting, named: Named) -> tuple[State, str, str]:
    if sighting.waiting is None:
        return (State.IGNORED, named.reason, named.detail) if named.reason else (State.SIGHTED, "", "")
    state = State.IGNORED if isinstance(sighting.waiting.code, IgnoredCode) else State.WAITING
    return state, sighting.waiting.code, sighting.waiting.sentence
