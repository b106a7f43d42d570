"""The table of connections: how many there may be, and who goes."""

import pytest
from kits.clock import Clock

from hotswapd.daemon.serve.connections import ConnectionLimits, Connections, Doing


class One:
    """A connection that only knows where it comes from, and whether it was told to leave."""

    def __init__(self, address: str = "a") -> None:
        self.address = address
        self.left = False

    def leave(self) -> None:
        self.left = True


class Table(Connections):
    """A table that remembers what it was told."""

    def __init__(self, total: int, per_address: int) -> None:
        self.refused: list[str] = []
        self.counts: list[int] = []
        self.clock = Clock()
        super().__init__(ConnectionLimits(total, per_address), self.refused.append, self.counts.append, self.clock)


@pytest.mark.parametrize(
    ("asked", "limits"),
    [
        ((0, 0), ConnectionLimits(512, 256)),
        ((100, 0), ConnectionLimits(100, 50)),
        ((100, 99), ConnectionLimits(100, 99)),
        ((5000, 5000), ConnectionLimits(512, 512)),
        ((1, 0), ConnectionLimits(1, 1)),
    ],
)
def test_limits_follow_from_the_descriptors(asked: tuple[int, int], limits: ConnectionLimits) -> None:
    """Of 1024 half are for connections, whatever is asked for, so that accepting never fails."""
    assert ConnectionLimits.of(*asked, descriptors=1024) == limits


def test_when_it_is_full_the_oldest_idle_one_goes() -> None:
    table = Table(3, 3)
    first, second, third, fourth = One("a"), One("b"), One("c"), One("d")
    assert all(table.add(one) for one in (first, second, third))
    table.now(first, Doing.ANSWERED)
    table.now(first, Doing.IDLE)  # now the second has been idle longest
    table.clock.advance(1.0)
    assert table.add(fourth)
    assert [one.left for one in (first, second, third, fourth)] == [False, True, False, False]
    assert table.refused == ["b"]
    assert len(table) == 3


def test_without_an_idle_one_the_slowest_sender_goes() -> None:
    table = Table(2, 2)
    slow, quick = One("a"), One("b")
    for one in (slow, quick):
        table.add(one)
        table.now(one, Doing.SENDING)
    assert table.add(One("c"))
    assert (slow.left, quick.left) == (True, False)


def test_who_has_just_come_does_not_go_before_a_slow_sender() -> None:
    """It has sent nothing yet, which is no sign of idleness."""
    table = Table(2, 2)
    slow, fresh = One("a"), One("b")
    for one in (slow, fresh):
        table.add(one)
    table.now(slow, Doing.SENDING)
    assert table.add(One("c"))
    assert (slow.left, fresh.left) == (True, False)
    table.clock.advance(1.0)
    assert table.add(One("d"))
    assert fresh.left


def test_who_is_being_answered_stays() -> None:
    table = Table(2, 2)
    busy = [One("a"), One("b")]
    for one in busy:
        table.add(one)
        table.now(one, Doing.ANSWERED)
    assert not table.add(One("c"))
    assert not any(one.left for one in busy)
    assert table.refused == ["c"]


def test_an_address_only_pushes_out_its_own() -> None:
    table = Table(10, 2)
    other, first, second, third = One("b"), One("a"), One("a"), One("a")
    for one in (other, first, second):
        table.add(one)
    assert table.add(third)
    assert (other.left, first.left, second.left) == (False, True, False)
    table.now(second, Doing.ANSWERED)
    table.now(third, Doing.ANSWERED)
    assert not table.add(One("a"))


def test_what_has_gone_is_forgotten_once() -> None:
    table = Table(2, 1)
    one = One()
    table.add(one)
    table.remove(one)
    table.remove(one)
    table.now(one, Doing.SENDING)
    assert len(table) == 0
    assert table.add(One())
    assert table.counts == [1, 0, 1]
