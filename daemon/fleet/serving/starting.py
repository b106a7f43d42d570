"""How the watcher's actor is started: once for all ingresses, by whoever comes first."""

import ray
from ray.actor import ActorHandle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hotswapd.daemon.config.settings import Settings

from .place import NAMESPACE, Together

_CALLERS = 1000
"""Calls that the watcher answers at once: each replica waits in one of them for orders."""


def start_watcher(settings: Settings, together: Together) -> ActorHandle:
    """Return the watcher, which is started on this node if there is none. Waits for nothing.

    It outlives whoever starts it, and Ray starts it again when it dies: on this node, whose disk has its ledger, as
    long as there is this node.
    """
    try:
        return ray.get_actor(together.watcher, namespace=NAMESPACE)
    except ValueError:
        from .watcher import Watcher  # it loads torch, which an ingress that finds a watcher does not need
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    actor = ray.remote(Watcher).options(
        name=together.watcher,
        namespace=NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        max_restarts=-1,
        max_concurrency=_CALLERS,
        num_cpus=0,
        scheduling_strategy=here,
    )
    return actor.remote(settings, together)
