"""Single stories of a whole fleet in the simulator, and its size: a thousand replicas."""

import pytest
from kits.fleet_history import check_history
from kits.fleet_world import LIMITS, World, kill
from kits.world_ingress import STEPS
from kits.world_replica import Replica

from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.roll import Lost


def digest(number: int) -> str:
    return f"{number:064d}"


def fleet(replicas: int = 3, ingresses: int = 2, limits: Limits = LIMITS) -> World:
    world = World(limits)
    world.new_watcher()
    for _ in range(replicas):
        world.new_replica()
    for _ in range(ingresses):
        world.new_ingress()
    world.run(3.0)
    return world


def change(world: World, number: int, channel: str = "default") -> None:
    watcher = world.watchers[-1]
    assert watcher.change({channel: digest(number)})
    assert world.run_until(lambda: not watcher.busy, 60.0)


def lost(world: World) -> list[Lost]:
    """Return whom the watcher wants replaced."""
    changes = world.watchers[-1].changes
    assert changes is not None
    return changes.fleet.take_lost()


def holder(world: World, number: int) -> Replica:
    """Return a replica that answers for a generation."""
    return next(one for one in world.in_rotation() if number in one.opened)


def test_a_change_reaches_every_ingress_at_one_moment() -> None:
    world = fleet()
    change(world, 1)
    assert [one.ask("default").tag.digest for one in world.ingresses] == [digest(1)] * 2
    world.run(2.0)
    assert [one.ended for one in world.history] == ["done"] * 2


def test_of_two_replicas_ones_veto_is_enough() -> None:
    world = fleet(replicas=2)
    change(world, 1)
    world.bad[digest(2)] = {"r3"}
    change(world, 2)
    assert world.vetoed == {digest(2)}
    assert world.ingresses[0].ask("default").tag.digest == digest(1)
    world.run(2.0)
    assert all(digest(2) not in one.device for one in world.replicas.values())


def test_who_alone_refuses_an_adapter_twice_is_replaced_and_the_adapter_stays_refused() -> None:
    """A bad card would refuse every adapter for ever; this one nobody has served, until it is submitted again."""
    world = fleet()
    world.cards = {"r3"}
    change(world, 1)
    (one,) = lost(world)
    assert (one.member, one.code) == ("r3", "replica_odd")
    assert "refused twice by r3 (a probe prompt gives NaN) and found fit by all 2 others" in one.sentence
    assert world.vetoed == {digest(1)}
    change(world, 2)
    asked = [world.ingresses[0].ask("default") for _ in range(6)]
    world.run(3.0)
    assert {(told.ended, told.tag.digest) for told in asked} == {("done", digest(2))}
    check_history(world)
    world.vetoed.clear()
    change(world, 1)
    assert world.ingresses[0].ask("default").tag.digest == digest(1)


def test_who_refuses_an_adapter_once_and_not_again_stays() -> None:
    world = fleet()
    world.bad[digest(1)] = {"r3"}
    doubted = world.replicas["r3"]
    assert world.watchers[0].change({"default": digest(1)})
    assert world.run_until(lambda: any(part.again for part in doubted.held.orders.trials), 10.0)
    world.bad.clear()
    assert world.run_until(lambda: not world.watchers[0].busy, 10.0)
    assert (lost(world), world.vetoed) == ([], {digest(1)})


@pytest.mark.parametrize(("replicas", "cards"), [(2, {"r2"}), (4, {"r2", "r3"}), (3, {"r2", "r3", "r4"})])
def test_without_a_majority_for_it_an_adapter_is_refused_and_everybody_stays(replicas: int, cards: set[str]) -> None:
    world = fleet(replicas)
    world.cards = cards
    change(world, 1)
    assert world.vetoed == {digest(1)}
    assert lost(world) == []
    assert len(world.in_rotation()) == replicas


def test_two_bad_cards_of_five_are_replaced_together() -> None:
    world = fleet(5)
    world.cards = {"r2", "r5"}
    change(world, 1)
    assert {one.member for one in lost(world)} == world.cards
    change(world, 2)
    assert world.ingresses[0].ask("default").tag.digest == digest(2)


def test_one_adapter_costs_the_fleet_replicas_once() -> None:
    """Who refuses it when it is submitted again has a veto and stays: the adapter may be at a limit."""
    world = fleet(4)
    world.bad[digest(1)] = {"r2"}
    change(world, 1)
    world.vetoed.clear()
    world.bad[digest(1)] = {"r3"}
    change(world, 1)
    assert [one.member for one in lost(world)] == ["r2"]
    assert world.vetoed == {digest(1)}


def test_a_doubted_replica_that_dies_before_its_second_answer_has_refused_the_adapter() -> None:
    world = fleet()
    world.cards = {"r3"}
    doubted, watcher = world.replicas["r3"], world.watchers[0]
    assert watcher.change({"default": digest(1)})
    assert world.run_until(lambda: any(part.again for part in doubted.held.orders.trials), 10.0)
    kill(doubted)
    assert world.run_until(lambda: not watcher.busy, 30.0)
    assert (lost(world), world.vetoed) == ([], {digest(1)})
    assert world.ingresses[0].ask("default").tag.number == 0


def test_a_refusal_stands_though_nobody_answers_when_it_is_doubted() -> None:
    world = fleet()
    world.cards = {"r3"}
    watcher = world.watchers[0]
    assert watcher.change({"default": digest(1)})
    assert world.run_until(lambda: any(part.again for part in world.replicas["r3"].held.orders.trials), 10.0)
    for replica in list(world.replicas.values()):
        kill(replica)
    assert world.run_until(lambda: not watcher.busy, 60.0)
    assert world.vetoed == {digest(1)}


def test_channels_that_change_together_do_so_at_one_moment() -> None:
    world = fleet()
    watcher = world.watchers[0]
    assert watcher.change({"a": digest(1), "b": digest(2)})
    assert world.run_until(lambda: not watcher.busy, 60.0)
    assert [sorted(one.answering().values()) for one in world.disk.written] == [[], [digest(1), digest(2)]]


def test_an_answer_goes_on_elsewhere_although_its_generation_has_retired() -> None:
    """Its berth is kept on every replica until it has ended: only then the oldest goes for a newer one."""
    world = fleet(limits=Limits(patience=5.0, lease=2.0, max_drain=0.0, berths=2))
    change(world, 1)
    asked = world.ingresses[0].ask("default")
    world.run(0.08)
    assert world.watchers[0].change({"default": digest(2)})
    world.run(0.02)
    for replica in list(world.replicas.values())[:2]:
        kill(replica)
    world.run_until(lambda: bool(asked.ended), 20.0)
    assert (asked.ended, asked.tag.digest) == ("done", digest(1))


def test_what_nobody_needs_gives_its_berth_and_not_before() -> None:
    world = fleet(limits=Limits(patience=5.0, lease=2.0, max_drain=0.0, berths=2))
    for number in (1, 2, 3):
        change(world, number)
        world.run(3.0)
    assert world.ingresses[0].ask("default").tag.digest == digest(3)
    assert {tuple(sorted(one.device)) for one in world.replicas.values()} == {(digest(2), digest(3))}


def test_going_back_to_what_is_still_there_tries_nothing_again() -> None:
    world = fleet()
    change(world, 1)
    change(world, 2)
    assert world.watchers[0].go_back("default", 1)
    assert world.run_until(lambda: not world.watchers[0].busy, 1.0)
    assert world.ingresses[0].ask("default").tag.number == 1


def test_a_new_replica_takes_no_request_before_it_holds_what_the_pointer_names() -> None:
    world = fleet()
    change(world, 1)
    late = world.new_replica()
    world.run(0.1)
    assert late not in world.in_rotation()
    world.run(1.0)
    assert late in world.in_rotation()
    assert late.takes(1, digest(1))


def test_the_fleet_grows_and_shrinks_under_load_and_within_changes_without_a_failed_answer() -> None:
    """Whoever comes holds what is live first, whoever goes ends its answers; nobody is replaced or waited for."""
    world = fleet(replicas=2)
    for number in range(1, 13):
        for ingress in world.ingresses:
            ingress.ask("default")
        assert world.watchers[0].change({"default": digest(number)})
        world.run(0.1 * (number % 4))
        if number % 3 == 0:
            world.new_replica()
        elif len(world.in_rotation()) > 2:
            world.in_rotation()[number % 2].drain()
        began = world.now
        assert world.run_until(lambda: not world.watchers[0].busy, 60.0)
        assert world.now - began < LIMITS.patience
    world.run(8.0)
    assert {one.ended for one in world.history} == {"done"}
    assert lost(world) == []
    check_history(world)


def test_a_replica_that_leaves_is_not_waited_for() -> None:
    """It is out with its last word, and not only when its lease is over."""
    world = fleet()
    world.replicas["r3"].hangs = True
    world.replicas["r3"].drain()
    world.run(1.9)
    assert world.watchers[0].change({"default": digest(1)})
    world.run(1.5)
    assert not world.watchers[0].busy
    assert world.ingresses[0].ask("default").tag.digest == digest(1)
    assert lost(world) == []


def test_a_new_replica_comes_up_without_a_watcher() -> None:
    world = fleet()
    change(world, 1)
    kill(world.watchers[0])
    late = world.new_replica()
    world.run(1.0)
    assert late.takes(1, digest(1))


def test_a_replica_that_hangs_is_waited_for_no_longer_than_the_patience() -> None:
    world = fleet()
    change(world, 1)
    next(iter(world.replicas.values())).hangs = True
    began = world.now
    change(world, 2)
    assert LIMITS.patience <= world.now - began < LIMITS.patience + 4.0
    assert Lost("r2", FleetCode.REPLICA_LATE, "it has not answered within 5 s") in lost(world)
    asked = [world.ingresses[0].ask("default") for _ in range(9)]
    world.run(3.0)
    assert {(one.ended, one.tag.digest) for one in asked} == {("done", digest(2))}


def test_a_bad_card_is_named_and_leaves_the_rotation() -> None:
    """A replica that finds unfit what all others found fit before: a new one, on a node with a bad card."""
    world = fleet()
    change(world, 1)
    world.bad[digest(1)] = {"r7"}
    sick = world.new_replica()
    assert sick.name == "r7"
    world.run(2.0)
    assert not sick.held.serving
    (one,) = lost(world)
    assert (one.member, one.code) == ("r7", "replica_unfit")
    assert "a probe prompt gives NaN" in one.sentence


def test_of_two_watchers_on_purpose_the_older_one_ends_and_changes_nothing() -> None:
    world = fleet()
    change(world, 1)
    older = world.watchers[0]
    assert older.change({"default": digest(2)})
    world.run(0.2)
    newer = world.new_watcher()
    assert world.run_until(lambda: not older.alive, 30.0)
    assert older.ended == "term lost"
    assert world.run_until(lambda: not newer.busy, 30.0)
    change(world, 3)
    assert world.ingresses[0].ask("default").tag.digest == digest(3)
    world.run(2.0)
    check_history(world)


def test_an_ingress_that_did_not_look_before_the_directory_went_asks_the_watcher() -> None:
    """The other one has looked, and answers by the newer generation."""
    world = fleet()
    change(world, 1)
    watcher, written = world.watchers[0], len(world.disk.written)
    assert watcher.change({"default": digest(2)})
    assert world.run_until(lambda: len(world.disk.written) > written, 30.0)
    first, second = world.ingresses
    told = first.ask("default")
    world.disk.down = True
    assert world.run_until(lambda: told.first > 0, 30.0)
    assert [one.tag.digest for one in (told, second.ask("default"))] == [digest(2)] * 2
    world.run(2.0)
    assert [one.ended for one in world.history] == ["done"] * 2
    check_history(world)


def test_a_watcher_that_dies_between_all_replicas_and_the_pointer_leaves_what_was_live() -> None:
    """Its successor gives the very number that it had used to other bytes."""
    world = fleet()
    change(world, 1)
    watcher = world.watchers[0]
    assert watcher.change({"default": digest(2)})
    assert world.run_until(lambda: all(digest(2) in one.passed for one in world.in_rotation()), 30.0)
    world.disk.down = True
    assert world.run_until(lambda: all(2 in one.opened for one in world.in_rotation()), 30.0)
    kill(watcher)
    world.disk.down = False
    assert world.ingresses[0].ask("default").tag.digest == digest(1)
    world.new_watcher()
    world.run(3.0)
    change(world, 3)
    told = world.ingresses[0].ask("default")
    assert (told.tag.number, told.tag.digest) == (2, digest(3))
    world.run(5.0)
    assert [one.ended for one in world.history] == ["done"] * 2
    check_history(world)


def test_under_load_every_answer_is_whole() -> None:
    world = fleet()
    for number in range(1, 40):
        for ingress in world.ingresses:
            ingress.ask("default")
        change(world, number)
    world.run(5.0)
    assert {one.ended for one in world.history} == {"done"}
    check_history(world)
    assert STEPS > 1


@pytest.mark.slow
def test_a_thousand_replicas_change_within_the_patience() -> None:
    """With stragglers, some that hang and some that die; each replica costs the watcher the same few messages."""
    world = World(LIMITS)
    world.new_watcher()
    for _ in range(1000):
        world.new_replica()
    ingress = world.new_ingress()
    world.run(2.0)
    replicas = list(world.replicas.values())
    for at, replica in enumerate(replicas):
        replica.slow = 0.1 if at % 50 == 0 else 0.0
    for replica in replicas[1:400:100]:
        replica.hangs = True
    for replica in replicas[2:400:100]:
        kill(replica)
    began, before = world.now, world.messages
    change(world, 1)
    seconds, messages = world.now - began, world.messages - before
    asked = [ingress.ask("default") for _ in range(20)]
    world.run(3.0)
    assert {(one.ended, one.tag.digest) for one in asked} == {("done", digest(1))}
    assert seconds < LIMITS.patience + 4.0
    assert messages < 1000 * 2 * (seconds / 0.1 + 2)
