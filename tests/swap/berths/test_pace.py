"""Staging leaves the loop its time while requests are answered, and loses no time otherwise."""

import pytest
from kits.residents import opened
from kits.rows import adapter, home

from hotswapd.swap.berths.pace import AT_MOST, SHARE, Pace


def test_it_keeps_to_its_share_while_requests_are_answered() -> None:
    """Whatever the pieces are like: no more than the share of the time is work."""
    rests: list[float] = []
    pace = Pace(lambda: True, rests.append)
    pieces = [0.0001, 0.003, 0.02, 0.0002, 0.05] * 3
    for spent in pieces:
        pace(spent)
    assert sum(pieces) / (sum(pieces) + sum(rests)) == pytest.approx(SHARE)


def test_it_does_not_rest_without_requests() -> None:
    """Without requests it goes on at once, and owes nothing when some come."""
    rests: list[float] = []
    asked = iter([False, False, True])
    pace = Pace(lambda: next(asked), rests.append)
    for spent in (1.0, 1.0, 0.01):
        pace(spent)
    assert rests == [pytest.approx(0.01 * (1 / SHARE - 1))]


def test_its_rests_are_bounded_in_all() -> None:
    """A slow disk does not make a staging look like a hang."""
    rests: list[float] = []
    pace = Pace(lambda: True, rests.append)
    for _ in range(100):
        pace(1.0)
    assert sum(rests) == AT_MOST


class Told(Pace):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__(lambda: False)
        self.spent: list[float] = []

    def __call__(self, spent: float) -> None:
        self.spent.append(spent)


def test_an_adapter_staged_with_rests_is_the_same() -> None:
    """Every slot is followed by a word to the pace, and the image is bit for bit that of a staging without."""
    with opened(home() / "base") as resident:
        plan = resident.admit(adapter(1))
        told = Told()
        images = [resident.stage(plan), resident.stage(plan, "", told)]
        assert len(told.spent) == len(resident.contract.slots)
        assert images[0].buffer.equal(images[1].buffer)
        for image in images:
            resident.drop(image)
