"""The fleet as an application of Ray Serve: its ingresses and its replicas, as the configuration describes them."""

from typing import Any
from uuid import uuid4

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, RequestRouterConfig

from hotswapd.daemon.config.fleet_settings import gpus_of, grows
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.fleet.limits import Limits

from .ingress import Ingress
from .place import Together
from .replica import ReplicaServer
from .router import Elsewhere

NAME = "hotswapd"
"""The application's, in Serve."""
WATCHER = "hotswapd-watcher"
"""The actor's, in this product's namespace."""
_BATCH = 128
"""More requests than a replica ever computes at once: beyond these and its queue, it says itself that it is full."""
_STREAMS = 4096
"""Requests that one ingress has under way at most; Serve's own number is 5."""
_END = 300.0
"""Seconds that Serve gives a replica that goes away to end its answers; another takes up what is left."""
_HEALTH = 1.0


def together_of(settings: Settings) -> Together:
    """Return what every process of the fleet is told; each call is another deployment."""
    serving = settings.serve
    limits = Limits(patience=settings.fleet.patience, max_drain=serving.max_drain, berths=serving.berths)
    most, deployment = settings.admission.max_artifact_bytes, uuid4().hex[:12]
    return Together(settings.fleet.shared, WATCHER, limits, most, deployment)


def application(
    settings: Settings, together: Together, replica: type[ReplicaServer] = ReplicaServer, *more: Any
) -> Application:
    """Make the application; `more` is what the constructor of another kind of replica takes besides."""
    replicas = serve.deployment(
        replica,
        name="replica",
        **_number(settings),
        max_ongoing_requests=settings.serve.max_queue + _BATCH,
        ray_actor_options={"num_gpus": gpus_of(settings)},
        health_check_period_s=_HEALTH,
        graceful_shutdown_timeout_s=_END,
        request_router_config=RequestRouterConfig(request_router_class=Elsewhere),
    )
    ingresses = serve.deployment(
        serve.ingress()(Ingress),
        name="ingress",
        num_replicas=settings.fleet.ingresses,
        max_ongoing_requests=_STREAMS,
        health_check_period_s=_HEALTH,
        graceful_shutdown_timeout_s=_END,
    )
    return ingresses.bind(settings, together, replicas.bind(settings, together, *more))


def _number(settings: Settings) -> dict[str, Any]:
    """Return how many replicas Serve keeps: always as many, or by load, of which it takes away slowly."""
    fleet = settings.fleet
    if not grows(settings):
        return {"num_replicas": fleet.replicas}
    scaling = AutoscalingConfig(
        min_replicas=fleet.replicas,
        max_replicas=fleet.max_replicas,
        target_ongoing_requests=fleet.requests_per_replica,
    )
    return {"autoscaling_config": scaling}
