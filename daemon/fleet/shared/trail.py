"""All pointers one after the other, each under a name that can be created only once.

That one rule is all the agreement that the fleet needs. Two watchers cannot both write the record after the last: one
of them finds the name taken. A reader asks whether the next name exists: if not, what it follows was the newest at that
moment, whoever writes and whatever else fails.

Old records go, the oldest first. So a reader that was away for long finds that its own record has gone, and looks at
the list. And a watcher that was away for long may find the name after its last record free again: what it writes
there is followed by nobody, because each term has a name that never goes, and a reader that comes to a record of a term
that is over looks at the list as well.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hotswapd.daemon.errors import FleetCode
from hotswapd.loaders.errors import Unavailable

from .place import Place, created
from .pointer import Pointer

log = logging.getLogger(__name__)
FOLDER = "pointers"
_TERMS = "terms"
_PROBE = "probe"
_DIGITS = 12
_KEPT = 64


class TermLost(Exception):
    """Another watcher has begun a term: this one writes nothing more, and ends itself."""

    code = FleetCode.TERM_LOST


def require_exclusive(place: Place, holder: str) -> None:
    """Check that a name can be created only once here. Raises Unavailable ``not_exclusive`` if not."""
    name = f"{_PROBE}/{holder}"
    try:
        if place.create(name, b"1") and place.create(name, b"2"):
            sentence = f"{place} lets a name be written twice: set fleet.shared to a bucket with conditional writes"
            raise Unavailable(FleetCode.NOT_EXCLUSIVE, sentence)
    finally:
        place.remove(name)


@dataclass(frozen=True, slots=True)
class Trail:
    """The pointers in a place. Every method is legal on any thread and raises Unavailable."""

    place: Place

    def at(self, serial: int) -> Pointer | None:
        """Read one record; None if there is none of this serial now, or if it is damaged (logged)."""
        content = self.read(serial)
        return None if content is None else self.load(serial, content)

    def read(self, serial: int) -> bytes | None:
        """Read one record as it was written; None if there is none of this serial now."""
        return self.place.read(_name(serial))

    def load(self, serial: int, content: bytes) -> Pointer:
        """Read what a record of this serial says: nothing, if it is damaged."""
        try:
            return Pointer.load(content)
        except ValueError as error:
            log.error("pointer %d in %s cannot be read and is passed over: %s", serial, self.place, error)  # noqa: TRY400 - it says all
            return Pointer(serial)

    def newest(self) -> Pointer:
        """Read the newest record that is not damaged; serial 0, where nothing is live, if there is none."""
        for serial in reversed(self.serials()):
            found = self.at(serial)
            if found is not None and found.holder:
                return found
        return Pointer()

    def serials(self) -> list[int]:
        """List the serials of all records that are kept."""
        return [int(name) for name in self.place.names(FOLDER) if name.isdigit()]

    def has(self, serial: int) -> bool:
        """Tell whether this record is kept."""
        return self.place.has(_name(serial))

    def append(self, pointer: Pointer) -> bool:
        """Write the record after the last; return False if another watcher has written one of this serial.

        After Unavailable nobody knows: append the very same record again.
        """
        return created(self.place, _name(pointer.serial), pointer.dump())

    def is_over(self, term: int) -> bool:
        """Tell whether a later term has begun."""
        return self.place.has(f"{_TERMS}/{term + 1:0{_DIGITS}}")

    def claim(self, term: int, holder: str) -> bool:
        """Let a term belong to this watcher; return False if it belongs to another."""
        return created(self.place, f"{_TERMS}/{term:0{_DIGITS}}", holder.encode())

    def prune(self, newest: int, keep: int = _KEPT) -> None:
        """Remove all but the last records, the oldest first, as readers need it."""
        for serial in self.serials():
            if serial <= newest - keep:
                self.place.remove(_name(serial))


class Term:
    """A watcher's right to write pointers, from `begin` until another one begins. Only one thread may `write`."""

    def __init__(self, trail: Trail, now: Pointer) -> None:
        """Go on after `now`, which this watcher wrote."""
        self._trail = trail
        self.now = now

    @classmethod
    def begin(cls, trail: Trail, holder: str) -> "Term":
        """Begin a term, with everything as it was live before; `holder` is a name that is used once.

        Raises TermLost if another watcher begins at this moment, Unavailable if nobody knows whether it has begun:
        then call it again with the same name.
        """
        newest = trail.newest()
        if newest.holder == holder:
            return cls(trail, newest)
        term = newest.term + 1
        while trail.is_over(term - 1):  # it was claimed by a watcher that has written no record yet
            term += 1
        if not trail.claim(term, holder):
            raise TermLost(f"another watcher has begun term {term} at this moment")
        while True:
            newest = trail.newest()
            if newest.term >= term:
                raise TermLost(f"another watcher has begun term {newest.term} at this moment")
            serial = max(trail.serials(), default=0) + 1  # a damaged record keeps its serial
            first = replace(newest, serial=serial, term=term, holder=holder)
            if trail.append(first):
                return cls(trail, first)

    def require(self) -> None:
        """Check that no other watcher has begun. Raises TermLost or Unavailable."""
        if self._trail.is_over(self.now.term):
            raise self._lost()

    def write(self, pointer: Pointer) -> None:
        """Let everybody follow this record, `now.next(...)`, from now on.

        Raises TermLost; nobody ever follows it then. After Unavailable nobody knows whether it is followed: write the
        same record again until that is known.
        """
        if not self._trail.append(pointer) or not self._trail.has(self.now.serial):
            raise self._lost()
        self.now = pointer
        self._trail.prune(pointer.serial)

    def _lost(self) -> TermLost:
        return TermLost(f"term {self.now.term} is over: another watcher has begun one after it")


class Follower:
    """A reader of the pointers. For one thread."""

    def __init__(self, trail: Trail, least: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Follow nothing yet: `look` does. `least` is how many seconds there are between two looks at the place."""
        self._trail = trail
        self._least = least
        self._clock = clock
        self._looked = float("-inf")
        self._serial = 0
        self._content: bytes | None = None
        self.now = Pointer()

    def look(self) -> Pointer:
        """Go on to the newest record and return it. Never goes back. Raises Unavailable; `now` stays then.

        What it returns was the newest at some moment of this call, or of one less than `least` seconds ago.
        """
        if self._least and self._clock() - self._looked < self._least:
            return self.now
        return self.look_now()

    def look_now(self) -> Pointer:
        """Do what `look` does, however short ago the last look was."""
        self._looked = self._clock()
        while not self._is_newest():
            self._step()
        return self.now

    def _is_newest(self) -> bool:
        """Tell whether there is no record after the one that was looked at last: then none that is newer has gone."""
        if self._trail.has(self._serial + 1):
            return False
        if self._serial == 0:
            return not self._trail.serials()
        return self._trail.read(self._serial) == self._content

    def _step(self) -> None:
        """Look at the next record, or at the newest one where the next is gone or of a term that is over."""
        serial = self._serial + 1
        content = self._trail.read(serial)
        if content is None or self._trail.is_over(self._trail.load(serial, content).term):
            serial = max(self._trail.serials(), default=0)
            content = self._trail.read(serial)
        if content is None:
            return  # it has gone since it was listed
        self._serial, self._content = serial, content
        found = self._trail.load(serial, content)
        if found.may_follow(self.now):
            self.now = found


def _name(serial: int) -> str:
    return f"{FOLDER}/{serial:0{_DIGITS}}"
