"""Generations that are in a lane without being live: a candidate before its judge, and a canary beside what is live."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswapd.swap.arena.image import Image
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .lane import Turns
from .tickets import Progress, Seat, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.arena.image import Image


class SideLanes:
    """The part of `Lanes` that gives lanes away which are not the live generation's."""

    _turns: Turns
    _lock: threading.Lock
    _binding: threading.Lock
    _on_free: Callable[[], None]
    _seats: list[Seat]

    def __init__(self) -> None:
        self._lent: Seat | None = None
        self._beside: Seat | None = None

    @contextmanager
    def lend(self, image: "Image") -> Iterator[None]:
        """Bind a free lane to an image that is not live, for requests that name generation `CANDIDATE`. Raises NoLane.

        At the end its requests are cancelled; when the image goes live next, that lane takes over as it is.
        """
        with self._binding:
            self._lent = self._bind(image, withdrawn=True)
        try:
            yield
        finally:
            with self._lock:
                seat, self._lent = self._lent, None
                left = list(seat.tickets.values()) if seat is not None else []
            for ticket in left:
                self.cancel(ticket)
                ticket.tell(Progress((), "error", "the candidate's lane was taken back"))

    def go_beside(self, image: "Image") -> None:
        """Bind a free lane to a generation that answers whoever asks for it by its number. Raises NoLane.

        When the image goes live, that lane takes over as it is. One at a time. Until `leave_beside` every request's
        end has the log-probability of its tokens.
        """
        with self._binding:
            if self._beside is not None:
                raise RuntimeError("a defect of hotswapd: there is a generation beside the live one already")
            self._beside = self._bind(image, withdrawn=False)
        self._score(True)

    def leave_beside(self) -> None:
        """Take no new requests for what is beside the live generation; those that it has go on to their end."""
        self._score(False)
        with self._lock:
            seat, self._beside = self._beside, None
            if seat is None:
                return
            seat.withdrawn, seat.retired_at = True, time.monotonic()
            free = not seat.tickets
        if free:
            self._on_free()

    def cancel(self, ticket: Ticket) -> None:
        """Drop a request."""
        raise NotImplementedError

    def _score(self, on: bool) -> None:
        for seat in self._seats:
            seat.lane.score(on)

    def _clear_one(self) -> Seat:
        raise NotImplementedError

    def _bind(self, image: "Image", *, withdrawn: bool) -> Seat:
        """Give a cleared lane another image; legal while `_binding` is held."""
        seat = self._clear_one()
        self._turns.hold(image)
        with self._lock:
            released, seat.lane.image = seat.lane.image, image
            seat.retired_at, seat.withdrawn = None, withdrawn
        if released is not None:
            self._turns.release(released)
        return seat
