"""Requests to any generation, in one batch: what the engine and the daemon ask of the loop.

Going live is a change of route: requests under way keep their generation, new ones get the new one, and nothing is
copied or waited for.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .asks import DEFAULT, Ask
from .ended import Ended
from .loop import Loop
from .parking import Parking
from .routes import Routes
from .tickets import Outcome, Place, Progress, QueueFull, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.berths.berths import Berths
    from hotswapd.swap.berths.image import Image

_LAST_STEP = 10.0
"""Seconds that the loop's thread is given to end the step it is in, at shutdown."""


@dataclass(frozen=True, slots=True)
class PlaceStatus:
    """A generation that is served or still answers: its requests that have a token are active, the others wait.

    `names` are the served names that it is live under; `use` is ``live``, ``canary``, ``candidate`` or ``draining``.
    """

    berth: int
    names: tuple[str, ...]
    generation: int
    digest: str
    use: str
    active: int
    waiting: int


class Rows:
    """All requests of one resident. Every method is legal from any thread but the loop's own."""

    def __init__(
        self,
        berths: "Berths",
        *,
        max_queue: int,
        on_free: Callable[[], None] = lambda: None,
        on_request_end: Callable[[Ended], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_free` is called when a berth is needed no more, on whatever thread that happens.

        `on_request_end` gets how each request went, on the thread that ended it; neither may block or raise. `clock`
        times the requests, in seconds.
        """
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._routes = Routes(berths)
        self._berths = berths
        self._tickets: dict[str, Ticket] = {}
        self._waiting: Counter[str] = Counter()
        self._names = itertools.count()
        self._max_queue = max_queue
        self._on_free = on_free
        self.on_request_end = on_request_end
        self._clock = clock
        self.loop: Loop | None = None
        self.parking = Parking(self._ended, self._routes, berths, self._to_loop, self._end, clock)

    def run(self, loop: Loop) -> None:
        """Start stepping. Call once."""
        self.loop = loop
        loop.start()

    def stop(self, seconds: float) -> None:
        """Let requests end for at most `seconds`, then end the loop; what is left hears an error."""
        with self._lock:
            self._routes.unroute_all()
            self._ended.wait_for(lambda: not self._tickets, timeout=seconds)
            self.parking.end()
        if self.loop is not None:
            self.loop.end()
            self.loop.join(_LAST_STEP)

    def route(self, image: "Image", number: int, name: str = DEFAULT) -> float:
        """Send new requests for this name to this generation from now on; returns the seconds that the change took.

        Requests under way keep theirs. The image must be held; what was live keeps its berth until that is needed.
        """
        with self._lock:
            began = time.perf_counter()
            image.generation = number
            self._routes.route(image, name)
            took = time.perf_counter() - began
        self._on_free()
        return took

    def unroute(self, name: str) -> None:
        """Take no new requests for a name."""
        with self._lock:
            self._routes.unroute(name)
        self._on_free()

    def live(self, name: str = DEFAULT) -> "Image | None":
        """Return what is live under a name."""
        with self._lock:
            return self._routes.live(name)

    def open(self, image: "Image", number: int) -> None:
        """Answer requests that ask for this generation by its number, from now on. The image must be held."""
        with self._lock:
            image.generation = number
            self._routes.open(image)

    def close(self, number: int) -> bool:
        """Take no new requests for a generation; those under way go on. Returns whether it was open."""
        with self._lock:
            was = self._routes.close(number)
        self._on_free()
        return was

    @contextmanager
    def lend(self, image: "Image") -> Iterator[None]:
        """Answer requests that ask for `CANDIDATE` with this image; at the end those that are left are cancelled."""
        with self._lock:
            place = self._routes.lend(image)
        try:
            yield
        finally:
            with self._lock:
                place.lent = False
                left = list(place.tickets.values())
                self._routes.tidy(place)
            for ticket in left:
                self._end(ticket, "the candidate's berth was taken back")

    def submit(self, ask: Ask, hear: Callable[[Progress], None]) -> Ticket:
        """Queue a request. Raises QueueFull, NoGeneration or ResidentLost."""
        with self._lock:
            place = self._routes.choose(ask.name, ask.generation)
            self.mend()
            if self._waiting[ask.name] >= self._max_queue:
                raise QueueFull(f"{self._max_queue} requests wait already")
            ticket = Ticket(f"r{next(self._names)}", place, ask, hear, self._clock)
            place.tickets[ticket.name] = self._tickets[ticket.name] = ticket
            self._waiting[ask.name] += 1
            self.parking.enter(place, ticket)
        return ticket

    def _to_loop(self, ticket: Ticket) -> None:
        assert self.loop is not None  # it was started before anything was routed
        self.loop.submit(ticket)

    def mend(self) -> None:
        """Raise ResidentLost if nothing is stepped any more; call now and then."""
        if self.loop is not None and self.loop.death is not None:
            raise self.loop.death

    def cancel(self, ticket: Ticket) -> None:
        """Drop a request; its listener hears nothing more. Does nothing if it has ended already."""
        if self._forget(ticket):
            if self.loop is not None:
                self.loop.cancel(ticket.name)
            self.on_request_end(ticket.ended("cancelled"))

    def end_overdue(self, max_drain: float) -> int:
        """Fail the requests of generations that were retired more than `max_drain` seconds ago; 0 never does."""
        if max_drain <= 0:
            return 0
        with self._lock:
            overdue = self._routes.overdue(time.monotonic() - max_drain)
        for ticket in overdue:
            self._end(ticket, f"generation {ticket.generation} was retired and max_drain is over")
        return len(overdue)

    def image(self, generation: int) -> "Image | None":
        """Find the image of a generation that is served or still answers."""
        with self._lock:
            place = self._routes.find(generation)
        return place.image if place is not None else None

    def generations(self) -> list[int]:
        """Name the generations that can be asked for, the live ones first."""
        with self._lock:
            return self._routes.numbers()

    def status(self) -> list[PlaceStatus]:
        """Describe every generation that is served, tried or still answers."""
        with self._lock:
            return [_status(place) for place in self._routes]

    def busy(self) -> bool:
        """Tell whether requests are being answered."""
        return bool(self._tickets)

    def _end(self, ticket: Ticket, why: str) -> None:
        """Fail a request from outside of the loop."""
        self.cancel(ticket)
        ticket.pass_on(ticket.take(Outcome(finish="error", error=why)))

    def _forget(self, ticket: Ticket) -> Place | None:
        with self._lock:
            if self._tickets.pop(ticket.name, None) is None:
                return None
            self._waiting[ticket.channel] -= not ticket.started
            place = ticket.place
            if ticket in place.pending:
                place.pending.remove(ticket)
            del place.tickets[ticket.name]
            free = self._routes.tidy(place)
            self._ended.notify_all()
        if free:
            self._on_free()
        return place

    def tell(self, ticket: Ticket, outcome: Outcome) -> None:
        """Hear what a step has made of a request, on the loop's thread; see `loop.Tell`."""
        with self._lock:
            if ticket.name not in self._tickets:
                return
            self._waiting[ticket.channel] -= not ticket.started
            progress = ticket.take(outcome)
        if progress.finish is not None:
            self._forget(ticket)
            self.on_request_end(ticket.ended(progress.finish))  # first: whoever has the answer finds it counted
        ticket.pass_on(progress)


def _status(place: Place) -> PlaceStatus:
    image = place.image
    active = sum(ticket.started for ticket in place.tickets.values())
    use = "live" if place.names else "canary" if place.opened else "candidate" if place.lent else "draining"
    waiting = len(place.tickets) - active
    return PlaceStatus(image.berth, tuple(sorted(place.names)), image.number, image.digest, use, active, waiting)
