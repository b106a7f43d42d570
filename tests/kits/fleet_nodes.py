"""A Ray of the test's own, on one node or on two: the second is a raylet beside the first, which can be killed."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ray
from ray._private.utils import get_ray_address_file
from ray.cluster_utils import Cluster

from kits.fleet_census import end_all

_STORE = 150 << 20
_CPUS = 8
_TRIES = 10
_LOGS = bool(os.environ.get("HOTSWAPD_TEST_RAY_LOG"))
# Ray would start a worker for each CPU at once, and give the node up where that takes longer than 30 s; and its workers
# would come after everything else that the machine does, which on one with other work means: hardly ever.
os.environ |= {"RAY_prestart_worker_first_driver": "0", "RAY_worker_niceness": "0"}


class Nodes:
    """The second node, if there is one."""

    def __init__(self, cluster: Cluster | None) -> None:
        self._cluster = cluster
        self._second: Any = None

    def join(self, env: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start the second node, and wait until it is there; its processes have `env` in their environment besides."""
        assert self._cluster is not None
        self._second = self._cluster.add_node(num_cpus=_CPUS, object_store_memory=_STORE, env_vars=dict(env))

    def raylet(self) -> int:
        """Return the process of the second node's raylet."""
        (found,) = self._second.all_processes["raylet"]
        return int(found.process.pid)

    def leave(self) -> None:
        """Clear up after a second node whose raylet was killed."""
        assert self._cluster is not None
        self._cluster.remove_node(self._second, allow_graceful=False)


def _start(directory: Path, how: Mapping[str, Any]) -> None:
    """Start a Ray, again if it has not come up within the 30 seconds that it gives itself: machines have other work."""
    for _ in range(_TRIES):
        try:
            ray.init(**how, _temp_dir=str(directory))
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
            end_all(directory)
        else:
            return
    raise RuntimeError(f"Ray has not come up in {_TRIES} tries")


def _cluster(head: Mapping[str, Any]) -> Cluster:
    Path(get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)  # it writes a file there at once
    return Cluster(initialize_head=True, head_node_args=dict(head))


@contextmanager
def nodes(directory: Path, env: Mapping[str, str], second: Mapping[str, str] | None = None) -> Iterator[Nodes]:
    """Run a Ray whose files are in `directory`, and be connected to it; all of it is gone at the end.

    What the test starts on it has `env`. With `second` there is a second node, whose processes have that besides.
    """
    sizes = {"num_cpus": _CPUS, "object_store_memory": _STORE, "include_dashboard": False}
    driver = {"runtime_env": {"env_vars": dict(env)}, "log_to_driver": _LOGS}
    cluster = None if second is None else _cluster({**sizes, "temp_dir": str(directory)})
    there = Nodes(cluster)
    try:
        if cluster is None or second is None:
            _start(directory, {**sizes, **driver})
        else:
            ray.init(cluster.address, **driver)
            there.join(second)
        yield there
    finally:
        ray.shutdown()
        if cluster is not None:
            cluster.shutdown()
        end_all(directory)
