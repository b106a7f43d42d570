"""A generation beside the live one: both answer at once, each as a fresh PEFT load does."""

from collections.abc import Iterator

import pytest
from kits.rows import Bench, adapter, bench

from hotswapd.swap.berths.image import Image
from hotswapd.swap.rows.lanes import NoGeneration, NoLane

PROMPT = (5, 6, 7)


@pytest.fixture
def one() -> Iterator[Bench]:
    with bench() as made:
        made.swap(0)
        yield made


def staged(bench: Bench, index: int, number: int) -> Image:
    resident = bench.resident
    image = resident.stage(resident.admit(adapter(index)))
    image.generation = number
    bench.made[number] = index
    return image


def test_two_generations_answer_side_by_side_each_exactly(one: Bench) -> None:
    """By its number; who asks for none gets the live one."""
    image = staged(one, 1, 2)
    one.lanes.go_beside(image)
    assert one.lanes.generations() == [1, 2]
    asked = [(one.ask(PROMPT, tokens=24), one.ask(PROMPT, tokens=24, generation=2)) for _ in range(4)]
    for live, beside in asked:
        assert (live[0].generation, beside[0].generation) == (1, 2)
        assert one.right(*live, PROMPT, 24)
        assert one.right(*beside, PROMPT, 24)


def test_what_was_beside_goes_live_in_its_own_lane(one: Bench) -> None:
    """Nothing needs to be free for that, and the one before ends what it has."""
    image = staged(one, 1, 2)
    one.lanes.go_beside(image)
    ticket, heard = one.ask(PROMPT, tokens=60)
    one.resident.commit(image, 2, one.lanes.go_live)
    assert one.lanes.generations()[0] == 2
    new = one.ask(PROMPT, tokens=24)
    assert new[0].generation == 2
    assert one.right(*new, PROMPT, 24)
    assert one.right(ticket, heard, PROMPT, 60)
    heard.wait()
    assert one.lanes.room()


def test_what_leaves_ends_its_requests_and_gives_its_lane_back(one: Bench) -> None:
    """No request is broken off, and no new one gets in."""
    one.lanes.go_beside(staged(one, 1, 2))
    ticket, heard = one.ask(PROMPT, tokens=60, generation=2)
    one.lanes.leave_beside()
    with pytest.raises(NoGeneration):
        one.ask(PROMPT, generation=2)
    assert one.right(ticket, heard, PROMPT, 60)
    one.lanes.leave_beside()  # twice is once
    one.lanes.go_beside(staged(one, 2, 3))
    assert one.right(*one.ask(PROMPT, tokens=24, generation=3), PROMPT, 24)


def test_without_a_free_lane_nothing_goes_beside(one: Bench) -> None:
    """The lane of what is beside is not free, whether it has requests or not."""
    one.lanes.go_beside(staged(one, 1, 2))
    assert not one.lanes.room()
    other = staged(one, 2, 3)
    with pytest.raises(NoLane), one.lanes.lend(other):
        pass
    assert one.lanes.generations() == [1, 2]
