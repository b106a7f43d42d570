"""Where new requests go: what is live under each served name, what is open beside it, and who still answers. No torch.

A generation has a place here for as long as something needs it: a name, an opening, a loan, or a request. The place
holds its berth. What is live and not asked for may be parked when a berth is needed: its names stay, and the next
request for it waits until it has a berth again.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .candidate import CANDIDATE, Candidate
from .parking import Parking
from .tickets import NoGeneration, Parked, Place, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.berths.berths import Berths
    from hotswapd.swap.berths.image import Image


class Routes:
    """All places. Every method is legal with the lock of `Rows` only."""

    def __init__(self, berths: "Berths", clock: Callable[[], float] = time.monotonic) -> None:
        self._berths = berths
        self._clock = clock
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
        """Park the generation that nobody has asked for longest, of those without requests; tell if there was one."""
        idle = [one for one in self._places if _may_be_parked(one) and not one.tickets]
        return self._park_oldest(idle)

    def park_busy(self) -> bool:
        """Let the generation that nobody has asked for longest end its requests and give its berth; one at a time."""
        leaving = {one.number for one in self._parking}
        if any(place.number in leaving for place in self._places):
            return False
        return self._park_oldest([one for one in self._places if _may_be_parked(one)])

    def may_park(self) -> bool:
        """Tell whether a generation without requests could be parked now."""
        return any(_may_be_parked(one) and not one.tickets for one in self._places)

    @property
    def parking(self) -> "Parking":
        """What is parked."""
        return self._parking

    def _park_oldest(self, places: list[Place]) -> bool:
        if not places:
            return False
        place = min(places, key=lambda one: one.asked_at)
        parked = self._parking.add(Parked(place.number, place.digest, set(place.names)))
        for name in place.names:
            self._live[name] = parked
        place.names.clear()
        self.tidy(place)
        return True

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
