"""A replica of the simulated fleet: the record that is the product's own, and a device that is a set of digests."""

from dataclasses import replace
from typing import TYPE_CHECKING

from hotswapd.daemon.engines.protocol import Answer, Part
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.held import FULL, Act, Held, Task
from hotswapd.daemon.fleet.orders import is_base
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.trail import Follower
from hotswapd.loaders.errors import Unavailable
from kits.world_node import Node

if TYPE_CHECKING:
    from kits.fleet_world import World
    from kits.world_watcher import Watcher

_TAKES = {Act.CLOSE: 0.01, Act.DROP: 0.01, Act.STAGE: 0.2, Act.CHECK: 0.05, Act.VERIFY: 0.3, Act.OPEN: 0.01}
"""Seconds of each task."""


class Replica(Node):
    """`device` has the digests that lie on it, `passed` those that it was seen to verify: the truth, beside `held`."""

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(world, name)
        self.held = Held(name)
        self.device: set[str] = set()
        self.passed: set[str] = set()
        self.opened: dict[int, str] = {}
        self.hangs = self.drains = False
        self._busy = False
        self._follower = Follower(world.trail())
        self.every_beat(self._beat)

    def _beat(self) -> None:
        try:
            self.held.follow(self._follower.look())
        except Unavailable:
            pass  # it goes on with what it holds
        else:
            self.held.whole()
        self.held.try_again()
        self._work()
        for watcher in self.world.watchers:
            if watcher.alive:
                self._report(watcher)

    def drain(self) -> None:
        """As Serve does where fewer are needed: no new requests, those under way end, and it says that it leaves."""
        self.drains = True
        self.world.after(2.0, self._leave)

    def _leave(self) -> None:
        if self.alive:
            for watcher in self.world.watchers:
                self._report(watcher, leaving=True)
            self.alive = False

    def _report(self, watcher: "Watcher", *, leaving: bool = False) -> None:
        report = replace(self.held.report(), leaving=leaving)

        def reply() -> None:
            orders = watcher.hear(report)
            if orders is not None:
                self.world.send(watcher, self, lambda: self.held.obey(orders))

        self.world.send(self, watcher, reply)

    def _work(self) -> None:
        if self._busy or self.hangs:
            return
        task = self.held.next()
        if task is None:
            return
        self._busy = True
        self.world.after(_TAKES[task.act] * (1 + self.slow * 10), lambda: self._done(task))

    def _done(self, task: Task) -> None:
        self._busy = False
        if not self.alive:
            return
        if self.hangs:
            return
        self.held.done(task, self._do(task))
        self._work()

    def _do(self, task: Task) -> Part:
        match task.act:
            case Act.STAGE if len(self.device) >= self.world.limits.berths:
                return FULL
            case Act.STAGE if not self._can_fetch(task.digest):
                return Part("", Answer.LOST, FleetCode.NOT_SHARED, "its bytes are not there")
            case Act.STAGE:
                self.device.add(task.digest)
            case Act.DROP:
                assert task.digest not in self.opened.values(), "what is open was dropped"
                self.device.discard(task.digest)
                self.passed.discard(task.digest)
            case Act.CHECK | Act.VERIFY:
                assert task.digest in self.device
                unfit = {self.name, "all"} & self.world.bad.get(task.digest, set())
                if unfit or self.name in self.world.cards:
                    return Part("", Answer.REFUSED, "probe_not_finite", "a probe prompt gives NaN")
                self.passed.add(task.digest)
            case Act.OPEN:
                assert task.digest in self.device
                self.opened[task.number] = task.digest
            case Act.CLOSE:
                self.opened.pop(task.number, None)
        return Part()

    def _can_fetch(self, digest: str) -> bool:
        """Tell whether its bytes can be read: they must be there for what is live, whoever tidies up."""
        if self.world.disk.down:
            return False
        there = SharedCopies(self.world.disk).has(digest)
        assert there or digest not in self._follower.look().answering().values(), "what is live was removed"
        return there

    def takes(self, number: int, digest: str) -> bool:
        """Take a request if the fence lets it; that must be right."""
        if not self.held.may_answer(number, digest) or not (
            is_base(number, digest) or self.opened.get(number) == digest
        ):
            return False
        assert is_base(number, digest) or digest in self.passed, "it serves what it has not verified"
        return True
