"""What is served or still answers, in plain values. No torch."""

from dataclasses import dataclass

from .tickets import Place


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


def status_of(place: Place) -> PlaceStatus:
    """Describe a place. With the lock of `Rows`."""
    image = place.image
    active = sum(ticket.started for ticket in place.tickets.values())
    use = "live" if place.names else "canary" if place.opened else "candidate" if place.lent else "draining"
    waiting = len(place.tickets) - active
    return PlaceStatus(image.berth, tuple(sorted(place.names)), image.number, image.digest, use, active, waiting)
