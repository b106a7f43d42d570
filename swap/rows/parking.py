"""More live generations than berths: those that nobody asks wait in host memory, and come back when somebody does.

A parked generation takes the berth of an idle one, the longest unused first, so what is asked all the time stays where
it is. Only when a request has waited for `PATIENCE` does the generation that has been in its berth the longest finish
what it has and queue in turn: a busy one cannot keep others out, and many others cannot keep it out. Berths are given
in the order of asking. What comes back is the bytes that were verified: their checksum is compared, no gate runs again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hotswapd.swap.errors import NoBerth

from .routes import Routes
from .tickets import Place, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.berths.berths import Berths
    from hotswapd.swap.berths.image import Image

PATIENCE = 5.0
"""Seconds that a request for a parked generation waits before a busy one is asked to make room."""
_LOOK = 0.05
"""Seconds between two looks for a berth, where nothing announces that one has become free."""


class Shelf:
    """Where bytes lie that have no berth: how an image is put away, and how it is laid out in a berth again.

    Both are called on the thread of `Parking` or on whatever thread stages, never for one image at the same time.
    """

    def put(self, image: "Image") -> None:
        """Copy an image that nobody uses out of its berth."""
        raise NotImplementedError

    def lay_out(self, image: "Image") -> None:
        """Fill the image's new berth. Raises BytesChanged, or OSError if it cannot be read."""
        raise NotImplementedError


class Parking:
    """Parks and brings back. `lock` is that of `Rows`; methods that say so are legal with it only."""

    def __init__(
        self,
        lock: threading.Condition,
        routes: Routes,
        berths: "Berths",
        submit: Callable[[Ticket], None],
        fail: Callable[[Ticket, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`submit` gives a request to the loop, with the lock; `fail` ends one with a sentence, without it."""
        self._lock = lock
        self._routes = routes
        self._berths = berths
        self._submit = submit
        self._fail = fail
        self._clock = clock
        self.shelf: Shelf | None = None
        self.brought_back = 0
        """How often a generation was brought back."""
        self._wanted: deque[Place] = deque()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="berths", daemon=True)
        berths.make_room = self.make_room
        berths.spare = self.has_idle

    def start(self, shelf: Shelf) -> None:
        """Begin; before, nothing is parked."""
        self.shelf = shelf
        self._thread.start()

    def end(self) -> None:
        """Bring nothing back any more; legal with the lock."""
        self._ending = True
        self._lock.notify_all()

    def enter(self, place: Place, ticket: Ticket) -> None:
        """Give a request to the loop, or let it wait for its generation's berth; legal with the lock."""
        place.used_at = self._clock()
        if not place.away:
            self._submit(ticket)
            return
        place.pending.append(ticket)
        self._want(place)

    @contextmanager
    def settled(self, image: "Image", seconds: float = 60.0) -> Iterator[None]:
        """Hold an image that has its berth until the end of the body. Raises NoBerth when it gets none in time.

        Legal on any thread but the loop's and this one's.
        """
        self._berths.hold(image)
        try:
            with self._lock:
                place = self._routes.of(image)
                if place is not None and place.away:
                    self._want(place)
                    if not self._lock.wait_for(lambda: not place.away or self._ending, timeout=seconds):
                        raise NoBerth("what is live is parked, and no berth has become free for it")
            yield
        finally:
            self._berths.release(image)

    def has_idle(self) -> bool:
        """Tell whether some live generation could be parked now."""
        with self._lock:
            return self.shelf is not None and bool(self._idle())

    def make_room(self) -> bool:
        """Park the live generation that was not asked for the longest time; False if each is busy."""
        with self._lock:
            idle = self._idle()
            if self.shelf is None or not idle:
                return False
            place = min(idle, key=lambda one: one.used_at)
            place.moving = True
        put = False
        try:
            self.shelf.put(place.image)
            put = True
        finally:
            with self._lock:
                if put:
                    self._berths.park(place.image)
                self._has_moved(place)
        return True

    def _idle(self) -> list[Place]:
        """List who could leave: live under a name, with no request in the loop, and held by nobody else."""
        return [one for one in self._routes if one.names and not one.away and not one.opened and not one.lent
                and not one.running and one.image.holders == 1 and one.image.generation != 0]  # fmt: skip

    def _want(self, place: Place) -> None:
        if place not in self._wanted and place.image.parked:
            place.wanted_at = self._clock()
            self._wanted.append(place)
            self._lock.notify_all()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._ending or bool(self._wanted))
                if self._ending:
                    return
                place = self._wanted[0]
            if not self._bring_back(place):
                self._wait(place)

    def _bring_back(self, place: Place) -> bool:
        with self._lock:
            place.moving = True
        try:
            self._berths.settle(place.image)
        except NoBerth:
            place.moving = False
            return False
        assert self.shelf is not None
        why = ""
        try:
            self.shelf.lay_out(place.image)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others still want their berths
            why = f"generation {place.image.number} could not be brought back: {error}"
            self._berths.park(place.image)
        self.brought_back += not why
        with self._lock:
            self._wanted.popleft()
            place.arrived_at = place.used_at = self._clock()
            failed = list(place.pending) if why else []
            self._has_moved(place)
        for ticket in failed:
            self._fail(ticket, why)
        return True

    def _has_moved(self, place: Place) -> None:
        """Let the requests go on that wait for a place; legal with the lock."""
        place.moving = place.yielding = False
        if not self._wanted:
            for one in self._routes:  # nobody needs their berths any more
                one.yielding = False
                self._let_in(one)
        self._let_in(place)
        self._lock.notify_all()

    def _let_in(self, place: Place) -> None:
        if place.away:
            if place.pending:
                self._want(place)
            return
        pending, place.pending = place.pending, []
        for ticket in pending:
            self._submit(ticket)

    def _wait(self, place: Place) -> None:
        """Wait for a request to end; ask the busy one that has been in its berth the longest to leave, in time."""
        with self._lock:
            if self._clock() - place.wanted_at >= PATIENCE:
                busy = [one for one in self._routes if one.names and not one.away and one.image.generation != 0]
                if busy and not any(one.yielding for one in self._routes):
                    min(busy, key=lambda one: one.arrived_at).yielding = True
            self._lock.wait(_LOOK)
