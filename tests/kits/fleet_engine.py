"""A third engine for the tests of the pipeline: a watcher's, over two replicas without a model."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hotswapd.daemon.engines.protocol import DEFAULT, Admitted, Answer, Caller, NoRoom, Part, Route, Routed, Staged
from hotswapd.daemon.fleet.changes import Changes
from hotswapd.daemon.fleet.engine import FleetEngine
from hotswapd.daemon.fleet.fleet import Fleet
from hotswapd.daemon.fleet.held import FULL, Act, Held, Task
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.outside import Outside
from hotswapd.daemon.fleet.shared.trail import Follower, Term, Trail
from hotswapd.swap.errors import RolledBack
from kits.engines import FakeModel
from kits.fleet import MemoryPlace

LIMITS = Limits(patience=30.0, lease=1e9, max_drain=0.001, berths=8)


class FakeReplica:
    """Does its tasks at once. The first of a fleet asks the model; the others find everything fit."""

    def __init__(self, name: str, trail: Trail, contents: Mapping[str, bytes], model: FakeModel | None) -> None:
        self.held = Held(name)
        self.follower = Follower(trail)
        self.contents = contents
        self.model = model

    def work(self, engine: FleetEngine) -> None:
        self.held.follow(self.follower.look())
        self.held.try_again()
        while (task := self.held.next()) is not None:
            self.held.done(task, self._do(task))
        self.held.whole()
        self.held.obey(engine.hear(self.held.report()))

    def _do(self, task: Task) -> Part:
        if self.model is None:
            return Part()
        if task.act == Act.STAGE:
            if self.model.full:
                return FULL
            self.model.stage(task.digest)
        if task.act in (Act.CHECK, Act.VERIFY):
            try:
                self.model.verify(task.digest, self.contents[task.digest])
            except RolledBack as error:
                return Part("", Answer.REFUSED, error.code, error.sentence)
        return Part()


class FleetOverFakes(FleetEngine):
    """The engine itself, and what tests of the pipeline look at: what is live by the model's word, what was closed."""

    def __init__(self, model: FakeModel, place: MemoryPlace | None = None) -> None:
        self.model = model
        self.contents: dict[str, bytes] = {}
        trail = Trail(place or MemoryPlace())
        self.term = Term.begin(trail, "watcher")
        self.fleet = Fleet(1, self.term.now, LIMITS, time.monotonic)
        self.trail = trail
        self.replicas = [FakeReplica(f"r{at}", trail, self.contents, model if at == 0 else None) for at in range(2)]
        outside = Outside(self._look, lambda digest: None, lambda name: None, on_wait=self.work)
        super().__init__(Changes(self.fleet, self.term, time.monotonic), outside, 30.0, 0.0)
        self.work()

    def add_replica(self) -> None:
        """Let one more come up that finds everything fit."""
        self.replicas.append(FakeReplica(f"r{len(self.replicas)}", self.trail, self.contents, None))
        self.work()

    def work(self) -> None:
        """Let every replica do what it has to do."""
        for replica in self.replicas:
            replica.work(self)

    def _look(self, artifact: Path) -> bytes:
        return self.model.admit(artifact)

    def admit(self, artifact: Path, digest: str) -> Admitted:
        self.contents[digest] = self.model.admit(artifact)
        return super().admit(artifact, digest)

    @contextmanager
    def route_together(self, routes: Sequence[Route]) -> Iterator[Routed]:
        with super().route_together(routes) as routed:
            yield routed
        for staged, _, name in routes:
            if name == DEFAULT:
                self.model.live = staged.digest
        for number in self.fleet.answering():  # nobody asks here, so what was live before goes at once
            if self.fleet.use(number) in ("previous", "draining"):
                self.fleet.forget(number)

    def stage(self, admitted: Admitted, caller: Caller) -> Staged:
        if self.model.full:
            raise NoRoom("every berth is in use")
        return super().stage(admitted, caller)

    def close(self, number: int) -> None:
        self.model.withdrawn.append(number)
        super().close(number)

    def room(self) -> bool:
        return not self.model.full and super().room()

    def spare(self) -> bool:
        return not self.model.crowded and super().spare()


def make_fleet(model: FakeModel) -> FleetOverFakes:
    """Make one over a model."""
    return FleetOverFakes(model)
