"""A fleet on a real Ray: replicas that write down what they verify, a watched folder, a watcher that tests kill."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import RequestRouterConfig

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.sources import LocalTable
from hotswapd.daemon.config.tables import Model, Serve, State
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.serving.place import NAMESPACE, Together
from hotswapd.daemon.fleet.serving.router import Elsewhere
from kits.fleet_nodes import nodes
from kits.fleet_notes import Notes, NotingReplica, SeenWatcher
from kits.fleet_watched import START, Watched

WATCHER = "watcher"


@dataclass(frozen=True)
class Sizes:
    """How much each replica can hold, and how many bytes an adapter may have."""

    berths: int = 8
    max_rank: int = 16
    most: int = 1 << 24

    @property
    def limits(self) -> Limits:
        return Limits(patience=60.0, lease=20.0, max_drain=120.0, berths=self.berths)


_USUAL = Sizes()


class RayFleet:
    """The fleet: replicas behind Serve's handle, and the watcher."""

    def __init__(self, base: Path, room: Path, replicas: int, shared: str = "", sizes: Sizes = _USUAL) -> None:
        """`shared` is where the shared state lies; a directory of the room by itself."""
        self.room, self.notes, self.watched = room, Notes(room), Watched(room, WATCHER)
        self.together = Together(shared or str(room / "shared"), WATCHER, sizes.limits, sizes.most)
        self.settings = Settings(
            model=Model(base=str(base), device="cpu", dtype="float32", max_rank=sizes.max_rank),
            serve=Serve(berths=sizes.berths, context_tokens=256),
            source=(LocalTable(kind="local", path=self.watched.path, channel="{1}", settle=0.2, rescan=1.0),),
            state=State(dir=room / "watcher"),
        )
        actor = ray.remote(SeenWatcher).options(
            name=WATCHER, namespace=NAMESPACE, max_restarts=-1, max_concurrency=1000, num_cpus=0
        )
        self.watcher = actor.remote(self.settings, self.together)
        self.deployment = serve.deployment(
            NotingReplica,
            name="replica",
            max_ongoing_requests=100,
            ray_actor_options={"num_cpus": 0},
            health_check_period_s=1.0,
            request_router_config=RequestRouterConfig(request_router_class=Elsewhere),
        )
        self.handle = self.scale(replicas)

    def watcher_pid(self) -> int:
        return int(ray.get(self.watcher.pid.remote(), timeout=START))

    def scale(self, replicas: int) -> Any:
        """Deploy so many replicas; what the others are answering goes on."""
        deployment = self.deployment.options(num_replicas=replicas)
        return serve.run(deployment.bind(self.settings, self.together, self.room), name="fleet", route_prefix=None)

    def kill(self, pid: int) -> None:
        """End a process as a power cut would."""
        os.kill(pid, signal.SIGKILL)


@contextmanager
def running(base: Path, replicas: int, shared: str = "", sizes: Sizes = _USUAL) -> Iterator[RayFleet]:
    """Run a fleet on a Ray of its own; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="hs-ray-", ignore_cleanup_errors=True) as name:
        room = Path(name) / "notes"
        room.mkdir()
        with nodes(Path(name) / "t", {}):
            try:
                yield RayFleet(base, room, replicas, shared, sizes)
            finally:
                serve.shutdown()
