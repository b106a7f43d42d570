"""What is parked, and whose turn it is."""

from typing import cast

from hotswapd.swap.rows.parking import Parking
from hotswapd.swap.rows.tickets import Parked, Ticket


class Waiting:
    """Stands for a ticket: only its name counts here."""

    def __init__(self, name: str) -> None:
        self.name = name


def ticket(name: str) -> Ticket:
    return cast("Ticket", Waiting(name))


def test_who_is_asked_for_first_comes_first() -> None:
    """However often one is asked for, it has one turn."""
    parking = Parking()
    one, other = parking.add(Parked(1, "aa", {"a"})), parking.add(Parked(2, "bb", {"b"}))
    assert parking.first() is None
    for parked, name in ((other, "r1"), (one, "r2"), (other, "r3")):
        parking.wait(parked, ticket(name))
    assert parking.first() is other
    assert list(other.tickets) == ["r1", "r3"]
    parking.remove(other)
    assert (parking.first(), list(parking)) == (one, [one])


def test_a_turn_is_given_up_with_the_last_request_that_waits() -> None:
    """It stays parked while it has a name, and is forgotten without one."""
    parking = Parking()
    one = parking.add(Parked(1, "aa", {"a"}))
    parking.wait(one, ticket("r1"))
    one.tickets.clear()
    parking.tidy(one)
    assert (parking.first(), parking.of(1)) == (None, [one])
    one.names.clear()
    parking.wait(one, ticket("r2"))
    parking.tidy(one)
    assert parking.of(1) == [one]
    one.tickets.clear()
    parking.tidy(one)
    assert (parking.of(1), parking.first()) == ([], None)
