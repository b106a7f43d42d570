"""A watcher of the simulated fleet: the product's own decisions, run by its beat."""

from collections.abc import Generator
from itertools import count
from typing import TYPE_CHECKING

from hotswapd.daemon.engines.protocol import NoRoom, decide
from hotswapd.daemon.fleet.changes import Changes, require_laid_out
from hotswapd.daemon.fleet.fleet import Fleet
from hotswapd.daemon.fleet.keeping import UnderWay
from hotswapd.daemon.fleet.orders import Asks, Orders, Report, Trial
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.sweep import Sweep
from hotswapd.daemon.fleet.shared.trail import Term, TermLost
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.errors import RolledBack
from kits.fleet import record
from kits.world_node import Node

if TYPE_CHECKING:
    from kits.fleet_world import World

KEPT = 3
"""Pointers whose generations a watcher keeps the bytes of."""


class Watcher(Node):
    """It forgets everything but what the shared directory has: the harshest case, a ledger that was lost."""

    def __init__(self, world: "World", name: str) -> None:
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
                self.changes.look()
                self.changes.tick()
                self._tidy()
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
        copies = SharedCopies(self.world.disk)
        self._sweep = Sweep(copies, self.world.disk.put, lambda: self.world.now)

    def _tidy(self) -> None:
        """Keep what is live, what was live before, in each channel, and what replicas need."""
        assert self.changes is not None
        self.changes.term.require()
        kept = {one for pointer in self.world.disk.written[-KEPT:] for one in pointer.answering().values()}
        self._sweep.want(kept)
        removed = len(self.world.disk.removed)
        needed = self.changes.fleet.needed() | kept
        self._sweep.step(self.changes.fleet.needed())
        gone = {name.split("/")[1] for name in self.world.disk.removed[removed:]}
        assert not gone & needed, "what is needed was removed"

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
                self._sweep.sending(digest)
                self.world.disk.put(digest)
                fleet.begin(trial)
                keys.append(trial.key)
                for asks in (Asks.STAGE, Asks.VERIFY):
                    parts = yield from self.changes.trying(Trial(trial.key, digest, asks, name=channel))
                    if asks == Asks.STAGE:
                        require_laid_out(parts)
                decide(parts)
            first = term.now.highest + 1
            several = {name: (first + at, digest) for at, (name, digest) in enumerate(adapters.items())}
            yield from self._routing(several)
        except RolledBack:
            self.world.vetoed |= set(adapters.values())
        except (NoRoom, Unavailable):
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
