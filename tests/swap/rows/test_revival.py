"""Lanes that die, and a generation that poisons what it can: the next generation starts from a clean lane."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from kits.rows import LONG, Bench, bench

from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.rows.tickets import Seat

SHARED = tuple(range(30, 30 + 200))
SHORT = (5, 6, 7)


@pytest.fixture
def one() -> Iterator[Bench]:
    with bench() as made:
        yield made


def test_a_lane_that_died_starts_again_once(one: Bench) -> None:
    """Its requests hear an error, the next one is answered; a second death in a row is a lost resident."""
    one.swap(0)
    assert "boom" in _die(one)
    assert one.right(*one.ask(SHORT), SHORT)
    assert "boom" in _die(one)
    assert "boom" in _die(one)
    with pytest.raises(ResidentLost, match="boom"):
        one.ask(SHORT)


def test_a_retired_lane_that_died_takes_the_next_generation(one: Bench) -> None:
    """A swap finds the dead lane, starts it again, and is not refused for it."""
    one.swap(0)
    _die(one)
    one.swap(1)
    one.swap(2)
    assert one.right(*one.ask(SHARED), SHARED)


def test_a_lane_that_lost_the_resident_is_not_tried_again(one: Bench) -> None:
    """What the lane's thread found out about the model holds for every thread."""
    one.swap(0)
    assert "copy" in _die(one, ResidentLost("a copy into the arena failed"))
    with pytest.raises(ResidentLost, match="copy into the arena"):
        one.lanes.mend()


def _current(one: Bench) -> Seat:
    assert one.lanes._current is not None
    return one.lanes._current


def _die(one: Bench, error: Exception | None = None) -> str:
    """Let the live lane's thread die of the error in its next step; return what the request in it heard."""
    loop: Any = _current(one).lane._loop

    def explode() -> None:
        raise error or RuntimeError("boom")

    loop._turn, turn = explode, loop._turn
    try:
        return str(one.ask(SHORT)[1].wait().error)
    finally:
        loop.join(0.0, timeout=LONG)
        loop._turn = turn


def test_a_generation_that_gave_nan_poisons_no_later_one(one: Bench) -> None:
    """Cache memory that held NaN is zeroed before the lane is used again."""
    one.swap(0)
    poisoned = _current(one)
    with one.resident.turn(one.resident.live):
        one.resident.live.buffer.view(torch.float32)[:64] = float("nan")
        one.resident.arena.buffer.copy_(one.resident.live.buffer)
    listener = one.ask(SHARED, tokens=20)[1]
    assert listener.wait().finish == "length"
    one.swap(1)
    one.swap(2)
    assert one.lanes._current is poisoned
    assert one.right(*one.ask(SHARED), SHARED)
    assert bool(torch.isfinite(poisoned.lane._processor.cache.cache_tensor.view(torch.float32)).all())
