"""A fleet without Ray: the code that decides, on a clock and a network that a test turns by hand.

Replicas, ingresses and watchers are the product's own (`Held`, `Book`, `Fleet`, `Changes`, `Term`, `Follower`). What
stands in is the device (a set of digests), the time that a task takes, and the messages between them.
"""

import heapq
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random

from hotswapd.daemon.engines.protocol import Answer, NoRoom, Part, decide
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.book import Book, Tag
from hotswapd.daemon.fleet.changes import Changes
from hotswapd.daemon.fleet.fleet import Fleet, Limits
from hotswapd.daemon.fleet.held import FULL, Act, Held, Task
from hotswapd.daemon.fleet.keeping import UnderWay
from hotswapd.daemon.fleet.orders import Asks, Orders, Report, Trial, is_base
from hotswapd.daemon.fleet.shared.pointer import Pointer
from hotswapd.daemon.fleet.shared.trail import Follower, Term, TermLost, Trail
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.errors import RolledBack
from kits.fleet import MemoryPlace, record

BEAT = 0.1
LIMITS = Limits(patience=5.0, lease=2.0, max_drain=30.0, berths=6)
STEPS = 6
"""Messages of an answer."""
_TAKES = {Act.CLOSE: 0.01, Act.DROP: 0.01, Act.STAGE: 0.2, Act.CHECK: 0.05, Act.VERIFY: 0.3, Act.OPEN: 0.01}
_ROUNDS = 200


class SharedDisk(MemoryPlace):
    """The shared directory, which everybody may lose for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.written: list[Pointer] = []

    def _require(self) -> None:
        if self.down:
            raise Unavailable(FleetCode.SHARED_DOWN, "it is down")

    def create(self, name: str, content: bytes) -> bool:
        self._require()
        done = super().create(name, content)
        if done and name.startswith("pointers/"):
            self.written.append(Pointer.load(content))
        return done

    def read(self, name: str) -> bytes | None:
        self._require()
        return super().read(name)

    def has(self, name: str) -> bool:
        self._require()
        return super().has(name)

    def names(self, folder: str) -> list[str]:
        self._require()
        return super().names(folder)


@dataclass
class Told:
    """An answer as its client got it: by which generation, and when the request began and the answer did."""

    tag: Tag
    begun: float
    first: float = 0.0
    ended: str = ""


@dataclass
class World:
    """Clock, network and everything on it; `history` is what clients were told."""

    limits: Limits = LIMITS
    now: float = 0.0
    latency: float = 0.005
    disk: SharedDisk = field(default_factory=SharedDisk)
    replicas: dict[str, "Replica"] = field(default_factory=dict)
    watchers: list["Watcher"] = field(default_factory=list)
    ingresses: list["Ingress"] = field(default_factory=list)
    history: list[Told] = field(default_factory=list)
    bad: dict[str, set[str]] = field(default_factory=dict)
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
        self, sender: "Node", receiver: "Node", call: Callable[[], None], lost: Callable[[], None] = lambda: None
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

    def new_replica(self) -> "Replica":
        made = Replica(self, f"r{next(self._born)}")
        self.replicas[made.name] = made
        return made

    def new_watcher(self) -> "Watcher":
        made = Watcher(self, f"w{next(self._born)}")
        self.watchers.append(made)
        return made

    def new_ingress(self) -> "Ingress":
        made = Ingress(self, f"i{next(self._born)}")
        self.ingresses.append(made)
        return made

    def in_rotation(self) -> list["Replica"]:
        return [one for one in self.replicas.values() if one.alive and one.held.serving]

    def watcher(self) -> "Watcher | None":
        """The one that is named in the cluster: the youngest that lives."""
        return next((one for one in reversed(self.watchers) if one.alive), None)


class Node:
    """A process: alive or not, cut off or not, and how many seconds slower than the others its messages are."""

    def __init__(self, world: World, name: str) -> None:
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


class Replica(Node):
    """`device` has the digests that lie on it, `passed` those that it was seen to verify: the truth, beside `held`."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.held = Held(name)
        self.device: set[str] = set()
        self.passed: set[str] = set()
        self.opened: dict[int, str] = {}
        self.hangs = False
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

    def _report(self, watcher: "Watcher") -> None:
        report = self.held.report()

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
            case Act.STAGE:
                self.device.add(task.digest)
            case Act.DROP:
                assert task.digest not in self.opened.values(), "what is open was dropped"
                self.device.discard(task.digest)
                self.passed.discard(task.digest)
            case Act.CHECK | Act.VERIFY:
                assert task.digest in self.device
                if {self.name, "all"} & self.world.bad.get(task.digest, set()):
                    return Part("", Answer.REFUSED, "probe_not_finite", "a probe prompt gives NaN")
                self.passed.add(task.digest)
            case Act.OPEN:
                assert task.digest in self.device
                self.opened[task.number] = task.digest
            case Act.CLOSE:
                self.opened.pop(task.number, None)
        return Part()

    def takes(self, number: int, digest: str) -> bool:
        """Take a request if the fence lets it; that must be right."""
        if not self.held.may_answer(number, digest) or not (
            is_base(number, digest) or self.opened.get(number) == digest
        ):
            return False
        assert is_base(number, digest) or digest in self.passed, "it serves what it has not verified"
        return True


class Ingress(Node):
    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.book = Book(name)
        self._follower = Follower(world.trail())
        self.every_beat(self._beat)

    def _beat(self) -> None:
        self._follow()
        for watcher in self.world.watchers:
            said = self.book.say()
            self.world.send(self, watcher, lambda watcher=watcher, said=said: watcher.hear_ingress(said))  # type: ignore[misc]

    def _follow(self) -> None:
        with suppress(Unavailable):  # nobody can move the pointer either
            self.book.follow(self._follower.look())

    def ask(self, channel: str) -> Told:
        """Begin a request."""
        self._follow()
        told = Told(self.book.tag(channel, self._follower.now), self.world.now)
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
            self.told.tag = book.tag(self.told.tag.channel, self.ingress._follower.now)
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


class Watcher(Node):
    """It forgets everything but what the shared directory has: the harshest case, a ledger that was lost."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.changes: Changes | None = None
        self.ended = ""
        self._script: Generator[None, None, None] | None = None
        self._keys = count()
        self.every_beat(self._beat)

    def _beat(self) -> None:
        try:
            if self.changes is None:
                self._begin()
            elif self._script is not None:
                next(self._script)
            if self.changes is not None:
                self.changes.tick()
        except StopIteration:
            self._script = None
        except TermLost:
            self.alive, self.ended = False, "term lost"
        except Unavailable:
            pass  # it tries again at the next beat

    def _begin(self) -> None:
        term = Term.begin(self.world.trail(), self.name)
        fleet = Fleet(term.now.term, term.now, self.world.limits, lambda: self.world.now)
        self.changes = Changes(fleet, term, lambda: self.world.now)

    def hear(self, report: Report) -> Orders | None:
        return None if self.changes is None else self.changes.fleet.hear(report)

    def hear_ingress(self, said: UnderWay) -> None:
        if self.changes is not None:
            self.changes.fleet.hear_ingress(said)

    @property
    def busy(self) -> bool:
        return self.changes is None or self._script is not None

    def change(self, adapters: dict[str, str]) -> bool:
        """Begin to make adapters live, each in its channel, all at one moment; return False while it is busy."""
        if self.busy:
            return False
        self._script = self._changing(adapters)
        return True

    def go_back(self, channel: str, number: int) -> bool:
        """Begin to make an earlier generation live again, which every replica still holds."""
        if self.busy or self.changes is None or (digest := self.changes.fleet.find(number)) is None:
            return False
        self._script = self._routing({channel: (number, digest)})
        return True

    def _changing(self, adapters: dict[str, str]) -> Generator[None, None, None]:
        assert self.changes is not None
        fleet, term, keys = self.changes.fleet, self.changes.term, list[str]()
        try:
            for channel, digest in adapters.items():
                trial = Trial(f"{term.now.term}.{next(self._keys)}", digest, name=channel)
                fleet.begin(trial)
                keys.append(trial.key)
                for asks in (Asks.STAGE, Asks.VERIFY):
                    parts = yield from self.changes.trying(Trial(trial.key, digest, asks, name=channel))
                decide(parts)
            first = term.now.highest + 1
            several = {name: (first + at, digest) for at, (name, digest) in enumerate(adapters.items())}
            yield from self._routing(several)
        except RolledBack:
            self.world.vetoed |= set(adapters.values())
        except NoRoom:
            pass  # the daemon holds it, and tries it again
        finally:
            for key in keys:
                fleet.end(key)

    def _routing(self, several: dict[str, tuple[int, str]]) -> Generator[None, None, None]:
        assert self.changes is not None
        try:
            yield from self.changes.opening(dict(several.values()))
        except NoRoom:
            return
        now = self.changes.term.now
        new = {name: record(number, name, digest) for name, (number, digest) in several.items()}
        yield from self.changes.pointing({**now.routes, **new})


def kill(node: Node) -> None:
    """As kill -9 does."""
    node.alive = False
    node.world.faults += 1


def check_history(world: World) -> None:
    """Hold what was told against what must never be."""
    generations = {(0, BASE_DIGEST)} | {one for pointer in world.disk.written for one in pointer.answering().items()}
    answered = sorted((one for one in world.history if one.first), key=lambda one: one.first)
    for one in answered:
        assert (one.tag.number, one.tag.digest) in generations, "an answer names what was never live"
        assert one.tag.digest not in world.vetoed, "a vetoed adapter was served"
        assert "all" not in world.bad.get(one.tag.digest, ()), "a bad adapter was served"
    _check_order(answered)
    by_number = dict(sorted(generations))
    assert len(by_number) == len(generations), "one number was given to two adapters"


def _check_order(answered: Sequence[Told]) -> None:
    """Nobody whose request began after an answer by a newer generation is answered by an older one."""
    newest: dict[str, int] = {}
    moments = sorted(
        [(one.begun, 0, one) for one in answered] + [(one.first, 1, one) for one in answered], key=lambda it: it[:2]
    )
    for _, answers, one in moments:
        seen = newest.get(one.tag.channel, 0)
        if not answers:
            assert one.tag.serial >= seen, "an older generation answered after a newer one"
        else:
            newest[one.tag.channel] = max(seen, one.tag.serial)
