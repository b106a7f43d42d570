"""How requests ended reaches the watcher once, however often it is said."""

from dataclasses import replace

from hotswapd.daemon.fleet.endings import Counted, Endings, Unsaid
from hotswapd.swap.rows.ended import Ended

ONE = Ended(3, (1, 2), "stop", False, 0.5)


def several(unsaid: Unsaid, *numbers: int) -> None:
    for number in numbers:
        unsaid.add(replace(ONE, generation=number))


def numbers(said: Endings) -> list[int]:
    return [one.generation for one in said.ended]


def test_what_is_not_confirmed_is_said_again_and_counted_once() -> None:
    unsaid, counted = Unsaid(), Counted()
    several(unsaid, 1, 2)
    lost = unsaid.due()
    assert numbers(lost) == [1, 2]
    several(unsaid, 3)
    heard = unsaid.due()
    assert [one.generation for one in counted.fresh("r0", heard)] == [1, 2, 3]
    assert list(counted.fresh("r0", heard)) == []
    assert list(counted.fresh("r0", lost)) == [], "it came late"
    several(unsaid, 4)
    unsaid.confirm(heard)
    assert [one.generation for one in counted.fresh("r0", unsaid.due())] == [4]
    unsaid.confirm(lost)
    assert numbers(unsaid.due()) == [4]


def test_each_replica_is_counted_by_itself() -> None:
    unsaid, counted = Unsaid(), Counted()
    several(unsaid, 1)
    assert len(counted.fresh("r0", unsaid.due())) == len(counted.fresh("r1", unsaid.due())) == 1


def test_the_newest_are_kept_while_nobody_hears() -> None:
    """However long a watcher is away, memory is bounded, and what it counts then has no gap in its numbers."""
    unsaid, counted = Unsaid(), Counted()
    several(unsaid, *range(1, 1501))
    assert (unsaid.due().first, unsaid.due().last, len(unsaid.due().ended)) == (500, 1500, 1000)
    assert [one.generation for one in counted.fresh("r0", unsaid.due())] == list(range(501, 1501))
    unsaid.confirm(unsaid.due())
    assert unsaid.due() == Endings(1500, ())


def test_the_engines_own_requests_are_left_out() -> None:
    unsaid = Unsaid()
    several(unsaid, -1)
    assert unsaid.due() == Endings()


def test_a_message_counts_if_it_is_newer() -> None:
    counted = Counted()
    assert [counted.is_new("i", count) for count in (1, 3, 2, 3, 4)] == [True, True, False, False, True]
