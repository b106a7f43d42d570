"""All lanes of a resident: new requests go to the live generation, older generations finish their own.

Nothing here drains. When a generation goes live it gets a lane that nobody uses, and the lane of the one before
ends the requests that it has. While both are busy their steps alternate, because each step is a turn and turns
are handed out in order of asking. When only one is busy it runs freely.
"""

import itertools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from transformers.generation.continuous_batching.requests import GenerationOutput

from .lane import Lane, LaneDead, LaneSpec, Turns
from .revival import Revival
from .sampling import Seen
from .seats import SideLanes
from .tickets import (
    CANDIDATE,
    Candidate,
    Ended,
    LaneRequest,
    LanesFull,
    LaneStatus,
    NoGeneration,
    NoLane,
    Progress,
    Seat,
    Ticket,
)

if TYPE_CHECKING:
    from hotswapd.swap.arena.image import Image

__all__ = ["LaneRequest", "LaneStatus", "Lanes", "LanesFull", "NoGeneration", "NoLane", "Progress", "Ticket"]

_LAST_STEP = 10.0
"""Seconds that a lane's thread is given to end the step it is in, at shutdown."""


class Lanes(SideLanes):
    """The lanes of one resident. Every method is legal from any thread but a lane's own."""

    def __init__(
        self,
        turns: Turns,
        spec: LaneSpec,
        *,
        count: int,
        max_queue: int,
        on_free: Callable[[], None] = lambda: None,
        on_request_end: Callable[[Ended], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_request_end` gets how each request went, on the thread that ended it; it must neither block nor raise.

        `clock` times the requests, in seconds.
        """
        super().__init__()
        self._turns = turns
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._binding = threading.Lock()
        self._revival = Revival()
        self._seats = [Seat(Lane(turns, spec, self._sink)) for _ in range(count)]
        self._current: Seat | None = None
        self._reserved: Seat | None = None
        self.on_request_end = on_request_end
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}
        self._names = itertools.count()
        self._max_queue = max_queue
        self._on_free = on_free
        self.count = count
        self.longest = 0

    def start(self) -> None:
        """Build every cache and start every thread. Call once, before the first generation goes live."""
        for seat in self._seats:
            seat.lane.start()
        self.longest = min(seat.lane.longest for seat in self._seats)

    def stop(self, seconds: float) -> None:
        """Let requests end for at most `seconds`, then end the threads; what is left hears an error."""
        with self._lock:
            self._current = self._beside = None
            self._ended.wait_for(lambda: not self._tickets, timeout=seconds)
        for seat in self._seats:
            seat.lane.end()
        for seat in self._seats:
            seat.lane.join(_LAST_STEP)

    def room(self) -> bool:
        """Say whether a generation could go live now."""
        with self._lock:
            return any(self._is_free(seat) for seat in self._seats)

    def make_room(self, image: "Image") -> None:
        """Clear the lane that `go_live` with this image will take, which then cannot fail. Raises NoLane.

        Nobody else can take it meanwhile: a lane that is not the current one gets no requests while it has none.
        """
        with self._binding:
            if not any(one.lane.image is image for one in self._seats):
                self._reserved = self._clear_one()

    def go_live(self, image: "Image") -> None:
        """Send new requests to this generation from now on; the lane's image before it is released.

        A lane that still has this very image takes over as it is, cache and all. Raises NoLane when every other lane
        is busy; nothing has changed then.
        """
        with self._binding:
            reserved, self._reserved = self._reserved, None
            seat = next((one for one in self._seats if one.lane.image is image), None) or reserved or self._clear_one()
            released = seat.lane.image
            if released is not image:
                self._turns.hold(image)
            with self._lock:
                seat.lane.image = image
                seat.retired_at, seat.withdrawn = None, False
                before, self._current = self._current, seat
                if self._beside is seat:
                    self._beside = None
                if before is not None and before is not seat:
                    before.retired_at = time.monotonic()
            if released is not None and released is not image:
                self._turns.release(released)

    def submit(
        self, request: LaneRequest, hear: Callable[[Progress], None], generation: int | Candidate | None = None
    ) -> Ticket:
        """Queue a request in the live generation's lane, or in that of the generation it asks for.

        Raises LanesFull, NoGeneration or ResidentLost.
        """
        while True:
            with self._lock:
                seat = self._seat_of(generation)
                if sum(not ticket.started for ticket in self._tickets.values()) >= self._max_queue:
                    raise LanesFull(f"{self._max_queue} requests wait already")
                ticket = self._enter(seat, request, hear)
            if ticket is not None:
                return ticket
            self._revival.ensure(seat)

    def mend(self) -> None:
        """Start again what has died of the lanes that requests go to. Raises ResidentLost; call now and then."""
        with self._lock:
            dead = [seat for seat in self._seats if (self._is_open(seat) or seat.tickets) and not seat.lane.alive]
        for seat in dead:
            self._revival.ensure(seat)

    def fail_at_limit(self, fail: bool) -> None:
        """Say whether torch's recompile limit is an error in the lanes' threads, as it is during the warm-up."""
        for seat in self._seats:
            seat.lane.fail_at_limit(fail)

    def death(self) -> BaseException | None:
        """Say what a lane has died of, None when all live."""
        return next((seat.lane.death for seat in self._seats if seat.lane.death is not None), None)

    def cancel(self, ticket: Ticket) -> None:
        """Drop a request; its listener hears nothing more. Does nothing when it has ended already."""
        seat = self._forget(ticket.name)
        if seat is not None:
            seat.lane.cancel(ticket.name)
            self.on_request_end(ticket.ended("cancelled"))

    def end_overdue(self, max_drain: float) -> int:
        """Fail the requests of generations that were retired more than `max_drain` seconds ago; 0 never does."""
        if max_drain <= 0:
            return 0
        oldest = time.monotonic() - max_drain
        with self._lock:
            overdue = [
                ticket
                for seat in self._seats
                if seat.retired_at is not None and seat.retired_at < oldest
                for ticket in seat.tickets.values()
            ]
        for ticket in overdue:
            self.cancel(ticket)
            ticket.tell(Progress((), "error", f"generation {ticket.generation} was retired and max_drain is over"))
        return len(overdue)

    def withdraw(self, generation: int) -> None:
        """Take no new requests for a generation that was rolled back from; those that it has go on."""
        with self._lock:
            for seat in self._seats:
                if seat.lane.image is not None and seat.image.generation == generation:
                    seat.withdrawn = True

    def image(self, generation: int) -> "Image | None":
        """Find the image of a generation that some lane is bound to; it is held while the lane is."""
        with self._lock:
            bound = (seat.lane.image for seat in self._seats if seat.lane.image is not None)
            return next((image for image in bound if image.generation == generation), None)

    def generations(self) -> list[int]:
        """Name the generations that can be asked for, the live one first."""
        with self._lock:
            return self._served()

    def status(self) -> list[LaneStatus]:
        """Describe the lanes that are bound to a generation."""
        with self._lock:
            return [seat.status() for seat in self._seats if self._is_open(seat) or seat.tickets]

    def referenced_blocks(self) -> int:
        """Count the cache blocks that requests hold in all lanes."""
        return sum(seat.lane.referenced_blocks() for seat in self._seats)

    def _served(self) -> list[int]:
        seats = [seat for seat in (self._current, self._beside) if seat is not None]
        seats += [seat for seat in self._seats if not self._is_open(seat) and seat.tickets and not seat.withdrawn]
        return [seat.image.number for seat in seats]

    def _seat_of(self, generation: int | Candidate | None) -> Seat:
        if self._current is not None and generation in (None, self._current.image.generation):
            return self._current
        if generation is CANDIDATE and self._lent is not None:
            return self._lent
        for seat in self._seats:
            asked = seat.tickets or seat is self._beside
            if asked and not seat.withdrawn and seat.image.generation == generation:
                return seat
        raise NoGeneration(generation, self._served())

    def _enter(self, seat: Seat, request: LaneRequest, hear: Callable[[Progress], None]) -> Ticket | None:
        """Put a request into its lane; None when the lane's thread is dead or dying. Legal with the lock only."""
        if not seat.lane.alive:
            return None
        ticket = Ticket(f"r{next(self._names)}", seat, hear, request.stops, request.tag, self._clock)
        seat.tickets[ticket.name] = self._tickets[ticket.name] = ticket
        try:
            seat.lane.submit(
                ticket.name, list(request.prompt), request.max_tokens, list(request.stops), request.sampling
            )
        except LaneDead:  # since the line above that asked
            del seat.tickets[ticket.name], self._tickets[ticket.name]
            return None
        return ticket

    def _is_free(self, seat: Seat) -> bool:
        return not self._is_open(seat) and seat is not self._lent and not seat.tickets

    def _is_open(self, seat: Seat) -> bool:
        """Say whether new requests go to it though it has none."""
        return seat is self._current or seat is self._beside

    def _clear_one(self) -> Seat:
        """Find a lane that nobody uses, with its cache forgotten, or raise NoLane. Raises ResidentLost too."""
        for seat in self._seats:
            if not self._is_free(seat):
                continue
            self._revival.ensure(seat)
            try:
                if seat.lane.clear():
                    return seat
            except LaneDead as error:
                raise NoLane("the lane that is free has died; it starts again") from error
        raise NoLane("every lane has requests of an older generation")

    def _forget(self, name: str) -> Seat | None:
        with self._lock:
            ticket = self._tickets.pop(name, None)
            if ticket is None:
                return None
            seat = ticket._seat
            del seat.tickets[name]
            free = not seat.tickets and not self._is_open(seat)
            self._ended.notify_all()
        if free:
            self._on_free()
        return seat

    def _sink(self, output: GenerationOutput, seen: Seen) -> None:
        """Hear of one output, on a lane's thread."""
        ticket = self._tickets.get(output.request_id)
        if ticket is None:
            return
        progress = Progress.of(output, ticket._stops)
        if progress.finish in ("stop", "length"):
            ticket._seat.deaths = 0
        ticket.note(seen)
        ticket.take(progress)
        if progress.finish is not None:
            self._forget(ticket.name)
            self.on_request_end(ticket.ended(progress.finish))  # first: whoever has the answer finds it counted
        ticket.pass_on(progress)
