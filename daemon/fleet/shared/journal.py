"""The ledger's journal, where a watcher on another node finds it: each transaction, under a name of its term.

A name is ``journal/<term>-<count>``, with ``-whole`` if the entry holds the whole ledger, as the first of each term
does and others from time to time. Only the watcher of a term writes names of this term, one after the other. A reader
takes the newest term that has a whole one, the last of these, and what follows it. So what a watcher writes whose term
is over counts for nothing as soon as the next one has written its first, and what is older than a whole ledger can go.
"""

import json
import re
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.looking import Looking
from hotswapd.daemon.ledger.changed import OWN, Changed, everything, take, watch
from hotswapd.daemon.ledger.holds import read_flag, write_flag
from hotswapd.daemon.ledger.journal import Outpaced
from hotswapd.daemon.ledger.schema import VERSION
from hotswapd.loaders.errors import Unavailable

from .place import Place, created
from .trail import Trail

FOLDER = "journal"
_DIGITS = 12
_LEAST = 1 << 20
_MOST = 1000
"""Bytes and entries after a whole ledger from which the next one is due, unless that is larger."""
_RETRY = 1.0
_TIDIED = 20
"""Entries that one `tidy` removes."""
_FLAG = "journal"
_ALONE = "what is decided now is on the watcher's disk alone"
_WHOLE = "-whole"
_NAME = re.compile(r"(\d+)-(\d+)(-whole)?")
NOWHERE = (0, -1)

Position = tuple[int, int]
"""A term, and how many entries it had before this one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction: what it changed, or, if `whole`, all that there is after it."""

    at: Position
    changes: Sequence[Changed]
    whole: bool = False

    @property
    def name(self) -> str:
        """The name that only this entry can have."""
        term, count = self.at
        return f"{FOLDER}/{term:0{_DIGITS}}-{count:0{_DIGITS}}{_WHOLE if self.whole else ''}"

    def dump(self) -> bytes:
        """Write it as JSON."""
        record = {"version": VERSION, "changes": [one.record() for one in self.changes]}
        return json.dumps(record, separators=(",", ":")).encode()

    @classmethod
    def load(cls, at: Position, whole: bool, content: bytes) -> "Entry":
        """Read what `dump` wrote. Raises ValueError for anything else, and NewerJournal."""
        try:
            record: Any = json.loads(content)
            if record["version"] > VERSION:
                raise NewerJournal(record["version"])
            return cls(at, [Changed.of(one) for one in record["changes"]], whole)
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"it is no entry of a journal: {error!r}") from None


class NewerJournal(Exception):
    """A newer version of this program has written it."""

    def __init__(self, version: int) -> None:
        do = "start that version, or give this one another fleet.shared"
        super().__init__(f"the journal has version {version}, and this program reads versions up to {VERSION}; {do}")


class SharedJournal:
    """`ledger.journal.Journal` in a place, for one term. See there for threads and locks."""

    def __init__(self, trail: Trail, term: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Write nothing yet; the first entry holds the whole ledger."""
        self._trail = trail
        self._term = term
        self._clock = clock
        self._sending = threading.Lock()
        self._due: deque[tuple[Entry, bytes]] = deque()
        self._draft: tuple[Entry, bytes] | None = None
        self._count = self._since = self._size = 0
        """Entries of this term, bytes since the last whole ledger, and bytes of that."""
        self._whole_at = 0
        self._retry = 0.0
        self._whole: Position | None = None
        self._oldest: deque[str] | None = None
        """The last whole ledger written, and what is left of the names before it; None if nobody has looked."""
        self._looking = Looking(self._publish)
        self.trouble = ""

    def opened(self, database: sqlite3.Connection) -> None:
        """Have it note what changes."""
        watch(database)

    def ending(self, database: sqlite3.Connection) -> None:
        """Draft the entry, and note in the ledger how far it has come by then."""
        self._draft = None
        changes, whole = take(database), self._is_whole_due()
        if not changes and not whole:
            return
        at = self._term, self._count
        write_flag(database, OWN, _FLAG, at)
        take(database)  # the note itself is of no interest elsewhere
        entry = Entry(at, everything(database) if whole else changes, whole)
        self._draft = entry, entry.dump()

    def ended(self) -> None:
        """Queue the draft."""
        if self._draft is None:
            return
        entry, content = self._draft
        self._draft = None
        self._count += 1
        self._since += len(content)
        if entry.whole:
            self._whole_at, self._size, self._since = self._count, len(content), 0
        self._due.append((entry, content))

    def _is_whole_due(self) -> bool:
        entries = self._count - self._whole_at
        return not self._count or entries >= _MOST or self._since >= max(_LEAST, self._size)

    def publish(self) -> None:
        """Write what is due, in order. What cannot be written now is tried again at the next call, a second later.

        A place that hangs is waited for two seconds, by those who come first.
        """
        if not self._looking.wait():
            self.trouble = f"{_ALONE}: fleet.shared does not answer"

    def _publish(self) -> None:
        """Do it, on the thread of `Looking`, which passes Outpaced on."""
        with self._sending:
            if self._due and self._clock() < self._retry:
                return
            try:
                if self._due:
                    self._send()
            except Unavailable as error:
                self._retry = self._clock() + _RETRY
                self.trouble = f"{_ALONE}: {error.sentence}"
            else:
                self.trouble = ""

    def tidy(self) -> None:
        """Remove a few of the entries that are older than the last whole ledger. Raises Unavailable.

        It is apart from `publish`, for which somebody waits, and goes on where it was, the oldest first.
        """
        with self._sending:
            if self._whole is None:
                return
            if self._oldest is None:
                self._oldest = deque(one.text for one in _names(self._trail.place) if one.at < self._whole)
            for _ in range(min(_TIDIED, len(self._oldest))):
                self._trail.place.remove(self._oldest[0])
                self._oldest.popleft()

    def _send(self) -> None:
        while self._due:
            entry, content = self._due[0]
            if not created(self._trail.place, entry.name, content):
                raise Outpaced(f"{entry.name} has been written by another watcher, which has the term by now")
            self._due.popleft()
            if entry.whole:
                self._whole, self._oldest = entry.at, None
        if self._trail.is_over(self._term):
            raise Outpaced(f"term {self._term} is over: another watcher decides by now, and this change does not count")


def position(database: sqlite3.Connection) -> Position:
    """Return which entry a ledger has come to; NOWHERE if it never was a watcher's."""
    term, count = read_flag(database, OWN, _FLAG, NOWHERE)
    return int(term), int(count)


def note_position(database: sqlite3.Connection, at: Position) -> None:
    """Write it."""
    write_flag(database, OWN, _FLAG, at)


@dataclass(frozen=True, slots=True)
class _Name:
    at: Position
    whole: bool
    text: str


def newest(place: Place) -> Position:
    """Return which entry is the last that counts; NOWHERE if there is none. Raises Unavailable."""
    return max((one.at for one in _counting(place)), default=NOWHERE)


def read(place: Place) -> Iterator[Entry]:
    """Read the last whole ledger and what follows it.

    Raises Unavailable, also if an entry goes meanwhile, NewerJournal, or ValueError if one is damaged.
    """
    for one in _counting(place):
        content = place.read(one.text)
        if content is None:
            raise Unavailable(
                FleetCode.SHARED_DOWN, f"{one.text} has gone while the journal was read; it is read again"
            )
        yield Entry.load(one.at, one.whole, content)


def _counting(place: Place) -> list[_Name]:
    """List what counts, in order: older entries may have been removed, and later ones are missing after a gap."""
    names = _names(place)
    wholes = [one.at for one in names if one.whole]
    if not wholes:
        return []
    term, first = max(wholes)
    own = {one.at[1]: one for one in names if one.at[0] == term}
    found = []
    while first in own:
        found.append(own[first])
        first += 1
    return found


def _names(place: Place) -> list[_Name]:
    matches = [(text, _NAME.fullmatch(text)) for text in place.names(FOLDER)]
    found = [
        _Name((int(match[1]), int(match[2])), bool(match[3]), f"{FOLDER}/{text}") for text, match in matches if match
    ]
    return sorted(found, key=lambda one: one.at)
