"""Where new requests go: what is live under each served name, what is open beside it, and who still answers. No torch.

A generation has a place here for as long as something needs it: a name, an opening, a loan, or a request. The place
holds its berth. What is live and not asked for may be parked when a berth is needed: its names stay, and the next
request for it waits until it has a berth again.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .candidate import CANDIDATE, Candidate
from .heat import Heat
from .parking import Parking
from .tickets import NoGeneration, Parked, Place, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.berths.berths import Berths
    from hotswapd.swap.berths.image import Image


_HALF = 8
"""Requests for each berth after which a request counts half in what is hot."""
_SPARED = 8
"""One in so many berths, rounded, is spared while a colder one is busy."""


class Routes:
    """All places. Every method is legal with the lock of `Rows` only."""

    def __init__(self, berths: "Berths", clock: Callable[[], float] = time.monotonic, heat: Heat | None = None) -> None:
        """`heat` decides what is parked; without it one with a half-life that suits the number of berths."""
        self._berths = berths
        self._clock = clock
        self._heat = heat or Heat(_HALF * berths.count)
        self._live: dict[str, Place | Parked] = {}
        self._places: list[Place] = []
        self._parking = Parking()
        self._base: Image | None = None
        """The bare base, once it was live: it can be asked for by its number ever after, since it needs no berth."""

    def __iter__(self) -> Iterator[Place]:
        """Iterate over the places that something needs."""
        return iter(self._places)

    def live(self, name: str) -> "Image | None":
        """Return what is live under a name; None if nothing is, or if it is parked."""
        place = self._live.get(name)
        return place.image if isinstance(place, Place) else None

    def route(self, image: "Image", name: str) -> list[Ticket]:
        """Let requests that ask for this name and for no number go to this image, from now on.

        Returns requests that have waited for just this generation.
        """
        place = self._place(image)
        if place.number == 0:
            self._base = image
        self._leave(name, place)
        self._live[name] = place
        place.names.add(name)
        place.opened, place.withdrawn, place.retired_at = False, False, None
        place.asked_at = self._clock()
        return [one for parked in self._parking.of(place.number) for one in self.arrive(parked, image)]

    def unroute(self, name: str) -> None:
        """Take no new requests for a name."""
        self._leave(name, None)
        self._live.pop(name, None)
        self._heat.forget(name)

    def _leave(self, name: str, comes: Place | None) -> None:
        """Take a name from what was live under it, unless that is just what comes."""
        before = self._live.get(name)
        if before is None or before is comes:
            return
        before.names.discard(name)
        if isinstance(before, Parked):
            self._parking.tidy(before)
            return
        if not before.open:
            before.retired_at = self._clock()
        self.tidy(before)

    def unroute_all(self) -> None:
        """Take no new requests at all."""
        self._base = None
        for name in list(self._live):
            self.unroute(name)
        for place in list(self._places):
            place.opened = False
            self.tidy(place)

    def open(self, image: "Image") -> None:
        """Answer requests that ask for this image's generation by its number."""
        place = self._place(image)
        place.opened, place.withdrawn, place.retired_at = True, False, None

    def close(self, number: int) -> bool:
        """Take no new requests for a generation; those that it has go on. Returns whether it was open."""
        for parked in self._parking.of(number):
            parked.withdrawn = not parked.names
        place = self.find(number)
        if place is None or place.names:
            return False
        was, place.opened, place.withdrawn = place.opened, False, True
        place.retired_at = place.retired_at or self._clock()
        self.tidy(place)
        return was

    def lend(self, image: "Image") -> Place:
        """Answer requests that ask for `CANDIDATE` with this image. One at a time."""
        if any(place.lent for place in self._places):
            raise RuntimeError("a defect of hotswapd: another candidate is lent already")
        place = self._place(image)
        place.lent = True
        return place

    def tidy(self, place: Place) -> bool:
        """Give up a place that nothing needs any more; return whether it was given up."""
        if place.needed or place not in self._places:
            return False
        self._places.remove(place)
        self._berths.release(place.image)
        return True

    def find(self, number: int) -> Place | None:
        """Find a generation's place."""
        return next((one for one in self._places if one.image.generation == number), None)

    def choose(self, name: str, wanted: int | Candidate | None) -> Place | Parked:
        """Choose who answers a request. Raises NoGeneration."""
        place = self._chosen(name, wanted)
        if place is None:
            raise NoGeneration(wanted, self.numbers())
        self._heat.ask(name)
        if isinstance(place, Place):
            place.asked_at = self._clock()
        return place

    def _chosen(self, name: str, wanted: int | Candidate | None) -> Place | Parked | None:
        live = self._live.get(name)
        if live is not None and wanted in (None, live.number):
            return self._back(live) if isinstance(live, Parked) else live
        for place in self._places:
            if wanted is CANDIDATE and place.lent:
                return place
            asked = place.image.generation == wanted and wanted is not None and not place.withdrawn
            if asked and (place.open or place.tickets):
                return place
        if wanted == 0 and self._base is not None:
            return self._place(self._base)
        return next((self._back(one) for one in self._parking if one.number == wanted and not one.withdrawn), None)

    def _back(self, parked: Parked) -> Place | Parked:
        """Return what is parked as it was, or in its berth if that still has it and nobody waits before."""
        image = None if parked.tickets else self._berths.kept(parked.number)
        if image is None:
            return parked
        self.arrive(parked, image)
        return self._place(image)

    def arrive(self, parked: Parked, image: "Image") -> list[Ticket]:
        """Give what was parked this berth, which is held or kept, and return the requests that have waited for it."""
        place, waited = self._place(image), list(parked.tickets.values())
        for name in parked.names:
            self._live[name] = place
        place.names |= parked.names
        place.tickets |= parked.tickets
        place.asked_at = self._clock()
        if not place.open:
            place.retired_at = self._clock()
        for ticket in waited:
            ticket.place = place
        self._parking.remove(parked)
        return waited

    def park(self, number: int, digest: str, name: str) -> None:
        """Let requests for a name wait for a generation that has no berth yet."""
        self._leave(name, None)
        parked = next(iter(self._parking.of(number)), None) or self._parking.add(Parked(number, digest))
        parked.names.add(name)
        self._live[name] = parked

    def park_idle(self) -> bool:
        """Park the coldest generation of those without requests; tell if there was one."""
        return self._park(self._coldest(_is_idle)) is not None

    def make_room(self, wanted: Parked) -> bool:
        """Let the coldest generation give its berth for what is wanted; tell if it is free at once.

        One without requests gives it at once, unless it is spared. Otherwise the coldest of all ends its requests
        first, and new ones for it wait in line; one at a time.
        """
        idle = self._coldest(_is_idle)
        if idle is not None and not self._is_spared(idle, wanted):
            return self._park(idle) is not None
        leaving = {one.number for one in self._parking}
        if any(place.number in leaving for place in self._places):
            return False
        parked = self._park(self._coldest(_may_be_parked))
        return parked is not None and not parked.tickets

    def _is_spared(self, idle: Place, wanted: Parked) -> bool:
        """Tell whether it is one of the few that are hottest, and hotter than what is wanted by more than a request.

        It will be asked for in a moment, and would wait behind all that are in line.
        """
        heat = self._heat.of(idle.names)
        hotter = sum(self._heat.of(one.names) > heat for one in self._places if _may_be_parked(one))
        return hotter < round(self._berths.count / _SPARED) and heat > self._heat.of(wanted.names) + 1.0

    def may_park(self) -> bool:
        """Tell whether a generation without requests could be parked now."""
        return any(map(_is_idle, self._places))

    @property
    def parking(self) -> "Parking":
        """What is parked."""
        return self._parking

    def _coldest(self, may: Callable[[Place], bool]) -> Place | None:
        """Return the coldest place that may be parked; of several, what nobody has asked for longest."""
        places = filter(may, self._places)
        return min(places, key=lambda one: (self._heat.of(one.names), one.asked_at), default=None)

    def _park(self, place: Place | None) -> Place | None:
        """Park what has a place, if there is one, and return it; it keeps its berth until its requests have ended."""
        if place is None:
            return None
        parked = self._parking.add(Parked(place.number, place.digest, set(place.names)))
        for name in place.names:
            self._live[name] = parked
        place.names.clear()
        self.tidy(place)
        return place

    def numbers(self) -> list[int]:
        """Name the generations that can be asked for, those that are live first."""
        there = [one for one in self._places if (one.open or one.tickets) and not one.withdrawn]
        shown = [one for one in there if one.image.generation is not None]
        numbers = [one.image.number for one in sorted(shown, key=lambda one: (not one.names, not one.opened))]
        return numbers + [one.number for one in self._parking if not one.withdrawn and one.number not in numbers]

    def overdue(self, oldest: float) -> list[Ticket]:
        """List the requests of generations that were retired before this moment."""
        late = (one for one in self._places if one.retired_at is not None and one.retired_at < oldest)
        return [ticket for place in late for ticket in place.tickets.values()]

    def _place(self, image: "Image") -> Place:
        place = next((one for one in self._places if one.image is image), None)
        if place is None:
            self._berths.hold(image)
            place = Place(image)
            self._places.append(place)
        return place


def _may_be_parked(place: Place) -> bool:
    """Tell whether it is live, is no bare base, which needs no berth, and is needed for nothing else."""
    return bool(place.names) and not place.opened and not place.lent and place.number != 0


def _is_idle(place: Place) -> bool:
    """Tell whether it may be parked at once."""
    return _may_be_parked(place) and not place.tickets
