"""Random histories of a whole fleet, in the simulator: whatever dies, hangs or runs twice, three things hold.

No replica serves what it has not verified (`Replica.takes` asserts it at each request), no request that begins after an
answer by a newer generation is answered by an older one, and nobody is served what was vetoed. `make histories` runs
10,000 of them; hypothesis makes a history that fails as short as it can.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kits.fleet_history import check_history
from kits.fleet_world import World, kill

HISTORIES = int(os.environ.get("HOTSWAPD_TEST_HISTORIES", "150"))
CHANNELS = st.sampled_from(["default", "a", "b"])
MOST = 6
_SETTLES = 12.0
_ANSWERS = 25.0


class Histories(RuleBasedStateMachine):
    """One fleet. A rule is what a user, an operator, a scheduler or bad luck does; time passes in `run` only."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.adapters = 0

    @initialize(replicas=st.integers(1, 4), ingresses=st.integers(1, 2))
    def start(self, replicas: int, ingresses: int) -> None:
        self.world.new_watcher()
        for _ in range(replicas):
            self.world.new_replica()
        for _ in range(ingresses):
            self.world.new_ingress()
        self.world.run(1.0)

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 4.0]))
    def run_on(self, seconds: float) -> None:
        self.world.run(seconds)

    def adapter(self) -> str:
        self.adapters += 1
        return f"{self.adapters:064d}"

    @rule(channels=st.sets(CHANNELS, min_size=1, max_size=2), which=st.integers(0, 3))
    def bring_adapters(self, channels: set[str], which: int) -> None:
        watchers = [one for one in self.world.watchers if one.alive]
        if watchers:
            watchers[which % len(watchers)].change({name: self.adapter() for name in sorted(channels)})

    @rule(channel=CHANNELS, which=st.integers(0, 5))
    def bring_a_bad_adapter(self, channel: str, which: int) -> None:
        """Bad everywhere, or on one replica only: a bad card."""
        names = ["all", *self.world.replicas]
        watcher, digest = self.world.watcher(), self.adapter()
        self.world.bad[digest] = {names[which % len(names)]}
        if watcher is not None:
            watcher.change({channel: digest})

    @rule(channel=CHANNELS, back=st.integers(1, 3))
    def go_back(self, channel: str, back: int) -> None:
        watcher = self.world.watcher()
        if watcher is not None and watcher.changes is not None:
            number = watcher.changes.term.now.answers(channel)[0] - back
            named = {number for one in self.world.disk.written for number in [one.answers(channel)[0]]}
            if number in named:
                watcher.go_back(channel, number)

    @rule(channel=CHANNELS, which=st.integers(0, 1))
    def ask(self, channel: str, which: int) -> None:
        there = [one for one in self.world.ingresses if one.alive]
        if there:
            there[which % len(there)].ask(channel)

    @rule(which=st.integers(0, 9), number=st.integers(0, 9), digest=st.integers(0, 9))
    def ask_for_anything(self, which: int, number: int, digest: int) -> None:
        """A request with a tag that no pointer gave: the fence looks at it alone."""
        there = [one for one in self.world.replicas.values() if one.alive]
        if there:
            there[which % len(there)].takes(number, f"{digest:064d}")

    @precondition(lambda self: len([one for one in self.world.replicas.values() if one.alive]) < MOST)
    @rule()
    def add_a_replica(self) -> None:
        self.world.new_replica()

    @precondition(lambda self: len(self.world.in_rotation()) > 1)
    @rule(which=st.integers(0, 9))
    def need_one_less(self, which: int) -> None:
        """The load has fallen: one drains, and leaves."""
        there = self.world.in_rotation()
        there[which % len(there)].drain()

    @rule(which=st.integers(0, 9))
    def kill_a_replica(self, which: int) -> None:
        there = [one for one in self.world.replicas.values() if one.alive]
        if there:
            kill(there[which % len(there)])

    @rule(which=st.integers(0, 9))
    def hang_a_replica(self, which: int) -> None:
        """Its device hangs: it reports and refuses, and does nothing more."""
        there = [one for one in self.world.replicas.values() if one.alive]
        if there:
            there[which % len(there)].hangs = True
            self.world.faults += 1

    @rule(which=st.integers(0, 9))
    def spoil_a_card(self, which: int) -> None:
        """From now on its device finds every adapter unfit."""
        there = [one for one in self.world.replicas.values() if one.alive]
        if there:
            self.world.cards.add(there[which % len(there)].name)
            self.world.faults += 1

    @rule(which=st.integers(0, 9), seconds=st.sampled_from([0.0, 0.2, 2.0]))
    def slow_a_node_down(self, which: int, seconds: float) -> None:
        nodes = [*self.world.replicas.values(), *self.world.ingresses, *self.world.watchers]
        nodes[which % len(nodes)].slow = seconds
        self.world.faults += 1

    @rule(which=st.integers(0, 9), cut=st.booleans())
    def cut_a_node_off(self, which: int, cut: bool) -> None:
        nodes = [*self.world.replicas.values(), *self.world.ingresses, *self.world.watchers]
        nodes[which % len(nodes)].cut = cut
        self.world.faults += 1

    @rule(down=st.booleans())
    def lose_the_shared_directory(self, down: bool) -> None:
        self.world.disk.down = down
        self.world.faults += 1

    @rule()
    def kill_the_watcher(self) -> None:
        watcher = self.world.watcher()
        if watcher is not None:
            kill(watcher)

    @precondition(lambda self: len([one for one in self.world.watchers if one.alive]) < 2)
    @rule()
    def start_a_watcher(self) -> None:
        """Beside one that runs, too: two that both think that they are the watcher."""
        self.world.new_watcher()
        self.world.faults += 1

    @rule()
    def kill_an_ingress(self) -> None:
        there = [one for one in self.world.ingresses if one.alive]
        if len(there) > 1:
            kill(there[0])

    @invariant()
    def nothing_forbidden_was_told(self) -> None:
        check_history(self.world)

    def teardown(self) -> None:
        """Whatever was, it becomes whole again, answers with what the pointer names, and takes a change."""
        world = self.world
        faults = world.faults
        world.disk.down = False
        for node in [*world.replicas.values(), *world.ingresses, *world.watchers]:
            node.cut, node.slow = False, 0.0
        for replica in world.replicas.values():
            replica.alive &= not replica.hangs  # Serve has replaced it
        if not world.ingresses:
            return  # the history ended before it began
        world.run(_SETTLES)
        world.new_watcher()
        if not world.in_rotation() or not any(one.alive for one in world.replicas.values()):
            world.new_replica()
        self._is_whole()
        self._changes_again()
        check_history(world)
        if not faults:
            assert {one.ended for one in world.history} <= {"done"}

    def _is_whole(self) -> None:
        world = self.world
        world.run(_SETTLES)
        watcher = world.watcher()
        assert watcher is not None
        assert watcher.changes is not None
        assert len([one for one in world.watchers if one.alive]) == 1
        sick = world.cards.union(*world.bad.values())
        for replica in world.replicas.values():
            if replica.alive and replica.name not in sick:
                assert replica.held.whole()
                assert len(replica.device) <= world.limits.berths

    def _changes_again(self) -> None:
        world = self.world
        spoilt = [one for one in world.replicas.values() if one.alive and one.name in world.cards]
        for _ in range(len(spoilt) + 2):  # so that those whose device is sound are more, and three have a majority
            world.new_replica()
        world.run(_SETTLES)
        watcher = world.watcher()
        assert watcher is not None
        for digest in (self.adapter(), self.adapter()):  # by the first one those are found whose device is spoilt
            assert world.run_until(lambda: not watcher.busy, _SETTLES)
            assert watcher.change({"default": digest})
            world.run_until(lambda: not watcher.busy, _SETTLES)
        asked = [one.ask("default") for one in world.ingresses if one.alive]
        world.run_until(lambda: all(one.ended for one in asked), _ANSWERS)
        assert [(one.ended, one.tag.digest) for one in asked] == [("done", digest)] * len(asked)


TestHistories = pytest.mark.timeout(120 + HISTORIES)(Histories.TestCase)
TestHistories.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
