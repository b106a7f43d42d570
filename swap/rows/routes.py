"""Where new requests go: what is live under each served name, what is open beside it, and who still answers. No torch.

A generation has a place here for as long as something needs it: a name, an opening, a loan, or a request. The place
holds its berth.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .candidate import CANDIDATE, Candidate
from .tickets import NoGeneration, Place, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.berths.berths import Berths
    from hotswapd.swap.berths.image import Image


class Routes:
    """All places. Every method is legal with the lock of `Rows` only."""

    def __init__(self, berths: "Berths", clock: Callable[[], float] = time.monotonic) -> None:
        self._berths = berths
        self._clock = clock
        self._live: dict[str, Place] = {}
        self._places: list[Place] = []

    def __iter__(self) -> Iterator[Place]:
        """Iterate over the places that something needs."""
        return iter(self._places)

    def live(self, name: str) -> "Image | None":
        """Return what is live under a name."""
        place = self._live.get(name)
        return place.image if place is not None else None

    def route(self, image: "Image", name: str) -> None:
        """Let requests that ask for this name and for no number go to this image, from now on."""
        place = self._place(image)
        before = self._live.get(name)
        self._live[name] = place
        place.names.add(name)
        place.opened, place.withdrawn, place.retired_at = False, False, None
        place.used_at = place.arrived_at = self._clock()
        if before is not None and before is not place:
            before.names.discard(name)
            if not before.open:
                before.retired_at = self._clock()
            self.tidy(before)

    def unroute(self, name: str) -> None:
        """Take no new requests for a name."""
        place = self._live.pop(name, None)
        if place is not None:
            place.names.discard(name)
            place.retired_at = self._clock()
            self.tidy(place)

    def unroute_all(self) -> None:
        """Take no new requests at all."""
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

    def of(self, image: "Image") -> Place | None:
        """Find an image's place."""
        return next((one for one in self._places if one.image is image), None)

    def find(self, number: int) -> Place | None:
        """Find a generation's place."""
        return next((one for one in self._places if one.image.generation == number), None)

    def choose(self, name: str, wanted: int | Candidate | None) -> Place:
        """Choose who answers a request. Raises NoGeneration."""
        live = self._live.get(name)
        if live is not None and wanted in (None, live.image.generation):
            return live
        for place in self._places:
            if wanted is CANDIDATE and place.lent:
                return place
            asked = wanted is not None and place.image.generation == wanted
            if asked and not place.withdrawn and (place.open or place.tickets):
                return place
        raise NoGeneration(wanted, self.numbers())

    def numbers(self) -> list[int]:
        """Name the generations that can be asked for, those that are live first."""
        there = [one for one in self._places if (one.open or one.tickets) and not one.withdrawn]
        shown = [one for one in there if one.image.generation is not None]
        return [one.image.number for one in sorted(shown, key=lambda one: (not one.names, not one.opened))]

    def overdue(self, oldest: float) -> list[Ticket]:
        """List the requests of generations that were retired before this moment."""
        late = (one for one in self._places if one.retired_at is not None and one.retired_at < oldest)
        return [ticket for place in late for ticket in place.tickets.values()]

    def _place(self, image: "Image") -> Place:
        place = self.of(image)
        if place is None:
            self._berths.hold(image)
            place = Place(image)
            self._places.append(place)
        return place
