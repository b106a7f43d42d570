"""A process of the simulated fleet: see `fleet_world.py`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kits.fleet_world import World

BEAT = 0.1


class Node:
    """A process: alive or not, cut off or not, and how many seconds slower than the others its messages are."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.cut = False
        self.slow = 0.0

    def every_beat(self, call: Callable[[], None]) -> None:
        def beat() -> None:
            if self.alive:
                call()
                self.world.after(BEAT, beat)

        self.world.after(self.world.random.random() * BEAT, beat)
