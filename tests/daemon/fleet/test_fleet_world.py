"""Single stories of a whole fleet in the simulator, and its size: a thousand replicas."""

import pytest
from kits.fleet_world import LIMITS, STEPS, Replica, World, check_history, kill

from hotswapd.daemon.fleet.fleet import Limits


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


def holder(world: World, number: int) -> Replica:
    """Return a replica that answers for a generation."""
    return next(one for one in world.in_rotation() if number in one.opened)


def test_a_change_reaches_every_ingress_at_one_moment() -> None:
    world = fleet()
    change(world, 1)
    assert [one.ask("default").tag.digest for one in world.ingresses] == [digest(1)] * 2
    world.run(2.0)
    assert [one.ended for one in world.history] == ["done"] * 2


def test_one_replicas_veto_is_enough() -> None:
    world = fleet()
    change(world, 1)
    world.bad[digest(2)] = {"r3"}
    change(world, 2)
    assert world.vetoed == {digest(2)}
    assert world.ingresses[0].ask("default").tag.digest == digest(1)
    world.run(2.0)
    assert all(digest(2) not in one.device for one in world.replicas.values())


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
    assert ("r2", "it has not answered within 5 s") in world.watchers[0].changes.fleet.take_lost()  # type: ignore[union-attr]
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
    lost = world.watchers[0].changes.fleet.take_lost()  # type: ignore[union-attr]
    assert lost[0][0] == "r7"
    assert "a probe prompt gives NaN" in lost[0][1]


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


def test_a_watcher_that_dies_between_all_replicas_and_the_pointer_leaves_what_was_live() -> None:
    """Its successor gives the very number that it had used to other bytes."""
    world = fleet()
    change(world, 1)
    watcher = world.watchers[0]
    assert watcher.change({"default": digest(2)})
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
