"""Requests to any generation, in one batch: what the engine and the daemon ask of the loop.

Going live is a change of route: requests under way keep their generation, and nothing is copied or waited for.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .asks import DEFAULT, Ask
from .ended import Ended
from .heat import Heat
from .loop import Loop
from .routes import Routes
from .status import PlaceStatus, status_of
from .tickets import Outcome, Parked, Progress, QueueFull, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.berths.berths import Berths
    from hotswapd.swap.berths.image import Image

_LAST_STEP = 10.0
"""Seconds that the loop's thread is given to end the step it is in, at shutdown."""


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
        heat: Heat | None = None,
    ) -> None:
        """`on_free` is called when a berth is needed no more, `on_request_end` with how each request went.

        Both are called on whatever thread that happens, and may neither block nor raise. `clock` times the requests, in
        seconds. `heat` decides what is parked, see `Routes`.
        """
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._routes = Routes(berths, clock, heat)
        self._tickets: dict[str, Ticket] = {}
        self._waiting: Counter[str] = Counter()
        self._names = itertools.count()
        self._max_queue = max_queue
        self._on_free = on_free
        self.on_request_end = on_request_end
        self._clock = clock
        self.loop: Loop | None = None
        self.on_wanted: Callable[[], None] = lambda: None
        """Called when something parked may be given a berth, on whatever thread that happens; must not block."""

    def run(self, loop: Loop) -> None:
        """Start stepping. Call once."""
        self.loop = loop
        loop.start()

    def stop(self, seconds: float) -> None:
        """Let requests end for at most `seconds`, then end the loop; what is left hears an error."""
        with self._lock:
            self._routes.unroute_all()
            self._ended.wait_for(lambda: not self._tickets, timeout=seconds)
            parked = list(self._routes.parking)
        for one in parked:
            self.lost(one, "the process is ending")
        if self.loop is not None:
            self.loop.end()
            self.loop.join(_LAST_STEP)

    def route(self, image: "Image", number: int, name: str = DEFAULT) -> float:
        """Send new requests for this name to this generation from now on; returns the seconds that the change took.

        The image must be held; what was live keeps its berth until that is needed.
        """
        return self.route_together([(image, number, name)], lambda: None)

    def route_together(self, routes: "Sequence[tuple[Image, int, str]]", then: Callable[[], None]) -> float:
        """Change several routes at one moment, see `route`; `then` is called at it, and must not block or raise."""
        with self._lock:
            began = time.perf_counter()
            for image, number, name in routes:
                image.generation = number
                self._step(self._routes.route(image, name))
            then()
            took = time.perf_counter() - began
        self._on_free()
        return took

    def unroute(self, name: str) -> None:
        """Take no new requests for a name."""
        with self._lock:
            self._routes.unroute(name)
        self._on_free()

    def end(self, name: str, why: str) -> None:
        """Take no new requests for a name, and fail those that it has."""
        self.unroute(name)
        with self._lock:
            left = [ticket for ticket in self._tickets.values() if ticket.ask.name == name]
        self._end_all(left, why)

    def park(self, number: int, digest: str, name: str) -> None:
        """Let requests for a name wait for this generation, which has no berth yet."""
        with self._lock:
            self._routes.park(number, digest, name)

    def park_idle(self) -> bool:
        """Take the berth of the coldest that is live and has no requests; tell if there was one. It comes back."""
        with self._lock:
            return self._routes.park_idle()

    def make_room(self, wanted: Parked) -> bool:
        """Let what is coldest give its berth for what is wanted, see `Routes.make_room`; tell if it is free at once."""
        with self._lock:
            return self._routes.make_room(wanted)

    def may_park(self) -> bool:
        """Tell whether `park_idle` would have something to park."""
        with self._lock:
            return self._routes.may_park()

    def is_parked(self, number: int) -> bool:
        """Tell whether requests may still ask for this generation, though it has lost its berth or is about to."""
        with self._lock:
            return bool(self._routes.parking.of(number))

    def parked(self) -> list[tuple[int, str]]:
        """List what is parked, by number and digest."""
        with self._lock:
            return [(one.number, one.digest) for one in self._routes.parking]

    def wanted(self) -> Parked | None:
        """Return what is parked and was asked for first, so that it is the first to be given a berth again."""
        with self._lock:
            return self._routes.parking.first()

    def arrived(self, parked: Parked, image: "Image") -> None:
        """Answer from this berth, which the caller holds, what was parked: first the requests that wait, in order."""
        with self._lock:
            if parked not in self._routes.parking:
                return  # it was given another berth meanwhile, or nobody needs it any more
            image.generation = parked.number
            self._step(self._routes.arrive(parked, image))

    def lost(self, parked: Parked, why: str) -> None:
        """Fail the requests that wait for what cannot be brought back now."""
        with self._lock:
            left = list(parked.tickets.values())
        self._end_all(left, why)

    def _step(self, tickets: list[Ticket]) -> None:
        """Step requests that have waited for a berth. With the lock."""
        for ticket in tickets:
            assert self.loop is not None
            self.loop.submit(ticket)

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
            self._end_all(left, "the candidate's berth was taken back")

    def submit(self, ask: Ask, hear: Callable[[Progress], None]) -> Ticket:
        """Queue a request, one begun elsewhere always. Raises QueueFull, NoGeneration or ResidentLost."""
        name = f"r{next(self._names)}"
        with self._lock:
            place = self._routes.choose(ask.name, ask.generation)
            self.mend()
            if self._waiting[ask.name] >= self._max_queue and not ask.given:
                raise QueueFull(f"{self._max_queue} requests wait already")
            ticket = self._tickets[name] = Ticket(name, place, ask, hear, self._clock)
            self._waiting[ask.name] += 1
            if isinstance(place, Parked):
                self._routes.parking.wait(place, ticket)
            else:
                place.tickets[name] = ticket
                self._step([ticket])
        if isinstance(place, Parked):
            self.on_wanted()
        return ticket

    def mend(self) -> None:
        """Raise ResidentLost if nothing is stepped any more; call now and then."""
        if self.loop is not None and self.loop.death is not None:
            raise self.loop.death

    def cancel(self, ticket: Ticket, finish: str = "cancelled") -> None:
        """Drop a request, unless it has ended; its listener hears nothing more. `finish` is how it ended."""
        if self._forget(ticket):
            if self.loop is not None:
                self.loop.cancel(ticket.name)
            self.on_request_end(ticket.ended(finish))

    def end_overdue(self, max_drain: float) -> int:
        """Fail the requests of generations that were retired more than `max_drain` seconds ago; 0 never does."""
        if max_drain <= 0:
            return 0
        with self._lock:
            overdue = self._routes.overdue(self._clock() - max_drain)
        self._end_all(overdue, f"its generation was retired more than max_drain ({max_drain:g} s) ago")
        return len(overdue)

    def image(self, generation: int) -> "Image | None":
        """Find the image of a generation that is served or still answers."""
        with self._lock:
            return place.image if (place := self._routes.find(generation)) is not None else None

    def generations(self) -> list[int]:
        """Name the generations that can be asked for, the live ones first."""
        with self._lock:
            return self._routes.numbers()

    def status(self) -> list[PlaceStatus]:
        """Describe every generation that is served, tried or still answers."""
        with self._lock:
            return [status_of(place) for place in self._routes]

    def busy(self) -> bool:
        """Tell whether requests are being answered."""
        return bool(self._tickets)

    def _end_all(self, tickets: list[Ticket], why: str) -> None:
        """Fail requests from outside of the loop."""
        for ticket in tickets:
            self.cancel(ticket)
            ticket.pass_on(ticket.take(Outcome(finish="error", error=why)))

    def _forget(self, ticket: Ticket) -> bool:
        with self._lock:
            if self._tickets.pop(ticket.name, None) is None:
                return False
            self._wait_no_more(ticket)
            place = ticket.place
            del place.tickets[ticket.name]
            if isinstance(place, Parked):
                free = False
                self._routes.parking.tidy(place)
            else:
                free = self._routes.tidy(place) or not place.tickets
            self._ended.notify_all()
        if free:
            self._on_free()
            self.on_wanted()
        return True

    def _wait_no_more(self, ticket: Ticket) -> None:
        """Count a request no more among those that wait, unless it had begun. With the lock."""
        if not ticket.started:
            self._waiting[ticket.ask.name] -= 1
            if not self._waiting[ticket.ask.name]:
                del self._waiting[ticket.ask.name]

    def tell(self, ticket: Ticket, outcome: Outcome) -> None:
        """Hear what a step has made of a request, on the loop's thread; see `loop.Tell`."""
        with self._lock:
            if ticket.name not in self._tickets:
                return
            self._wait_no_more(ticket)
            progress = ticket.take(outcome)
        if progress.finish is not None:
            self._forget(ticket)
            self.on_request_end(ticket.ended(progress.finish))  # first: whoever has the answer finds it counted
        ticket.pass_on(progress)
