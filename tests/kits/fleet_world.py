"""A fleet without Ray: the code that decides, on a clock and a network that a test turns by hand.

Replicas, ingresses and watchers are the product's own (`Held`, `Book`, `Fleet`, `Changes`, `Term`, `Follower`). What
stands in is the device (a set of digests), the time that a task takes, and the messages between them.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.shared.trail import Trail
from kits.fleet_disk import SharedDisk
from kits.world_ingress import Ingress, Told
from kits.world_node import BEAT, Node
from kits.world_replica import Replica
from kits.world_watcher import Watcher

LIMITS = Limits(patience=5.0, lease=2.0, max_drain=30.0, berths=6)


@dataclass
class World:
    """Clock, network and everything on it; `history` is what clients were told."""

    limits: Limits = LIMITS
    now: float = 0.0
    latency: float = 0.005
    disk: SharedDisk = field(default_factory=SharedDisk)
    replicas: dict[str, Replica] = field(default_factory=dict)
    watchers: list[Watcher] = field(default_factory=list)
    ingresses: list[Ingress] = field(default_factory=list)
    history: list[Told] = field(default_factory=list)
    bad: dict[str, set[str]] = field(default_factory=dict)
    """By digest, the replicas that find it unfit, or all."""
    cards: set[str] = field(default_factory=set)
    """Replicas whose device finds every adapter unfit."""
    vetoed: set[str] = field(default_factory=set)
    faults: int = 0
    messages: int = 0

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._born = count(1)
        self.random = Random(0)

    # Time and network

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), call))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, call = heapq.heappop(self._events)
            call()
        self.now = until

    def run_until(self, true: Callable[[], bool], seconds: float) -> bool:
        until = self.now + seconds
        while not true() and self.now < until:
            self.run(BEAT)
        return true()

    def send(
        self, sender: Node, receiver: Node, call: Callable[[], None], lost: Callable[[], None] = lambda: None
    ) -> None:
        """Have the receiver do it after the network's time; `lost` is called at the sender where that fails."""
        self.messages += 1

        def deliver() -> None:
            if sender.cut or receiver.cut or not receiver.alive:
                if sender.alive:
                    lost()
            else:
                call()

        self.after(self.latency + sender.slow + receiver.slow, deliver)

    # What there is

    def trail(self) -> Trail:
        return Trail(self.disk)

    def new_replica(self) -> Replica:
        made = Replica(self, f"r{next(self._born)}")
        self.replicas[made.name] = made
        return made

    def new_watcher(self) -> Watcher:
        made = Watcher(self, f"w{next(self._born)}")
        self.watchers.append(made)
        return made

    def new_ingress(self) -> Ingress:
        made = Ingress(self, f"i{next(self._born)}")
        self.ingresses.append(made)
        return made

    def in_rotation(self) -> list[Replica]:
        return [one for one in self.replicas.values() if one.alive and one.held.serving and not one.drains]

    def watcher(self) -> Watcher | None:
        """The one that is named in the cluster: the youngest that lives."""
        return next((one for one in reversed(self.watchers) if one.alive), None)


def kill(node: Node) -> None:
    """As kill -9 does."""
    node.alive = False
    node.world.faults += 1
