"""What is parked: generations that are live and have no berth, and whose turn it is to be given one. No torch."""

from collections.abc import Iterator

from .tickets import Parked, Ticket


class Parking:
    """All that is parked. Every method is legal with the lock of `Rows` only."""

    def __init__(self) -> None:
        self._parked: list[Parked] = []
        self._wanted: list[Parked] = []

    def __iter__(self) -> Iterator[Parked]:
        """Iterate over it."""
        return iter(self._parked)

    def of(self, number: int) -> list[Parked]:
        """Return what has this number: nothing, or one."""
        return [one for one in self._parked if one.number == number]

    def add(self, parked: Parked) -> Parked:
        """Park it."""
        self._parked.append(parked)
        return parked

    def remove(self, parked: Parked) -> None:
        """Take it out, since it has a berth or nobody needs it."""
        self._parked.remove(parked)
        if parked in self._wanted:
            self._wanted.remove(parked)

    def wait(self, parked: Parked, ticket: Ticket) -> None:
        """Let a request wait for it; who came first is first given a berth."""
        parked.tickets[ticket.name] = ticket
        if parked not in self._wanted:
            self._wanted.append(parked)

    def tidy(self, parked: Parked) -> None:
        """Forget it if it has no name any more and nobody waits for it; nobody's turn is kept."""
        if not parked.tickets and parked in self._wanted:
            self._wanted.remove(parked)
        if not parked.tickets and not parked.names and parked in self._parked:
            self.remove(parked)

    def first(self) -> Parked | None:
        """Return whose turn it is to be given a berth; None if nobody waits."""
        return self._wanted[0] if self._wanted else None
