"""An ingress of the simulated fleet, its requests, and what their clients are told."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hotswapd.daemon.fleet.book import Book, Tag
from hotswapd.daemon.fleet.shared.pointer import Pointer
from hotswapd.daemon.fleet.shared.trail import Follower
from hotswapd.loaders.errors import Unavailable
from kits.world_node import BEAT, Node
from kits.world_replica import Replica

if TYPE_CHECKING:
    from kits.fleet_world import World

STEPS = 6
"""Messages of an answer."""
_ROUNDS = 200


@dataclass
class Told:
    """An answer as its client got it: by which generation, and when the request began and the answer did."""

    tag: Tag
    begun: float
    first: float = 0.0
    ended: str = ""


class Ingress(Node):
    def __init__(self, world: "World", name: str) -> None:
        super().__init__(world, name)
        self.book = Book(name)
        self._follower = Follower(world.trail())
        self._heard = Pointer()
        self.every_beat(self._beat)

    @property
    def now(self) -> Pointer:
        """The newest pointer that it has read, or that a watcher has told of."""
        read = self._follower.now
        return self._heard if self._heard.may_follow(read) else read

    def _beat(self) -> None:
        self._follow()
        for watcher in self.world.watchers:
            said = self.book.say()
            self.world.send(self, watcher, lambda watcher=watcher, said=said: watcher.hear_ingress(said))  # type: ignore[misc]

    def _follow(self) -> None:
        try:
            self._follower.look()
        except Unavailable:  # another ingress may have read a newer one before
            self._ask()
        self.book.follow(self.now)

    def _ask(self) -> None:
        """Ask the watchers that can be reached what they have written last, as `Dispatcher` does."""
        for watcher in self.world.watchers:
            if watcher.alive and not watcher.cut and not self.cut and watcher.changes is not None:
                found = watcher.changes.term.now
                self._heard = found if found.may_follow(self.now) else self._heard

    def ask(self, channel: str) -> Told:
        """Begin a request."""
        self._follow()
        told = Told(self.book.tag(channel, self.now), self.world.now)
        self.world.history.append(told)
        _Asking(self, told).go_on()
        return told


class _Asking:
    """One request on its way: to the next replica when one refuses or dies, by the newest pointer until it begins."""

    def __init__(self, ingress: Ingress, told: Told) -> None:
        self.ingress, self.world, self.told = ingress, ingress.world, told
        self.steps = self.rounds = 0
        self.avoid: set[str] = set()

    def go_on(self) -> None:
        there = [one for one in self.world.in_rotation() if one.name not in self.avoid]
        if not there:
            self._again()
            return
        self._try(self.world.random.choice(there))

    def _again(self) -> None:
        self.rounds += 1
        self.avoid.clear()
        if self.rounds > _ROUNDS:
            self._end("failed")
            return
        self.world.after(BEAT, self._retagged)

    def _retagged(self) -> None:
        if not self.ingress.alive:
            return
        if not self.steps:
            book = self.ingress.book
            book.end(self.told.tag)
            self.ingress._follow()
            self.told.tag = book.tag(self.told.tag.channel, self.ingress.now)
        self.go_on()

    def _try(self, replica: Replica) -> None:
        tag = self.told.tag

        def refused() -> None:
            self.avoid.add(replica.name)
            self.go_on()

        def arrive() -> None:
            if not replica.takes(tag.number, tag.digest):
                self.world.send(replica, self.ingress, refused, lambda: None)
                return
            self._step(replica)

        self.world.send(self.ingress, replica, arrive, refused)

    def _step(self, replica: Replica) -> None:
        def heard() -> None:
            self.steps += 1
            if self.steps == 1:
                self.told.first = self.world.now
            if self.steps >= STEPS:
                self._end("done")
                return
            self.world.after(0.05, step)

        def step() -> None:
            if not replica.alive or replica.cut:
                self.avoid.add(replica.name)
                self.go_on()
                return
            heard()

        heard()

    def _end(self, how: str) -> None:
        self.told.ended = how
        self.ingress.book.end(self.told.tag)
