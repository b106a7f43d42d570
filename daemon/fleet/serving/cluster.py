"""The fleet on a Ray cluster: how it comes up, and how it goes. For one thread; Ray is connected meanwhile."""

import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import ray
from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError

from hotswapd.daemon.config.errors import ConfigError
from hotswapd.daemon.config.fleet_settings import gpus_of
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.rules import Reloaded, Rules
from hotswapd.loaders.errors import Unavailable

from .application import NAME, WATCHER, application, together_of
from .place import NAMESPACE
from .starting import start_watcher

_CONNECT = 5.0
_GONE = 60.0
_RELOAD = 60.0
_LOOK = 0.2
_ENV = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1.0"}
"""What makes Serve's part of an answer small, and lets it put another proxy in a dead one's place within seconds.

See docs/fleet.md. All of Serve's processes must have the same.
"""
_SERVES = "RAY_SERVE_"


def serve_env(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of Serve's processes: what this product wants, and what `environ` says of Serve."""
    return _ENV | {name: value for name, value in environ.items() if name.startswith(_SERVES)}


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a Ray that runs, and leave it running. Raises Unavailable."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # it would tell of each step besides
    _require_listener(address)
    try:
        env = {"env_vars": serve_env(os.environ)}
        ray.init(address, namespace=NAMESPACE, log_to_driver=False, logging_level="error", runtime_env=env)
    except (ConnectionError, ValueError) as error:
        raise _no_ray(address, str(error).split("\n", 1)[0]) from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Check that somebody listens at ``HOST:PORT``: Ray itself would try for minutes. Raises Unavailable."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT).close()
    except OSError as error:
        raise _no_ray(address, error.strerror or str(error)) from None


def _no_ray(address: str, why: str) -> Unavailable:
    sentence = f"no Ray answers at fleet.address = {address!r}: {why}; start one with `ray start --head`"
    return Unavailable(FleetCode.NO_RAY, sentence)


def bring_up(settings: Settings) -> None:
    """Start the watcher anew, then ingresses and replicas, and wait until all of them serve.

    What runs already is replaced; Serve starts the new ones first. Raises Unavailable.
    """
    _require_gpus(settings)
    together = together_of(settings)
    together.trail()
    serve.start(proxy_location="EveryNode", http_options={"host": settings.serve.host, "port": settings.serve.port})
    _end_watcher()
    _await(start_watcher(settings, together))
    try:
        serve.run(application(settings, together), name=NAME, route_prefix="/")
    except RuntimeError as error:
        sentence = f"the fleet does not come up: {error}; `serve status` and Ray's logs have the reason"
        raise Unavailable(FleetCode.NOT_UP, sentence) from None


def reload(settings: Settings) -> Sequence[str]:
    """Have the fleet that runs go by this configuration, and name the tables that have changed.

    Raises ConfigError with every key that needs a deployment, and Unavailable; then nothing has changed.
    """
    try:
        watcher = ray.get_actor(WATCHER, namespace=NAMESPACE)
        said: Reloaded = ray.get(watcher.reload.remote(Rules.of(0, settings).text), timeout=_RELOAD)
    except (RayActorError, GetTimeoutError, ValueError):
        raise Unavailable(FleetCode.NOT_UP, "no watcher answers there: hotswapd fleet deploy starts one") from None
    if said.problems:
        raise ConfigError.of(said.problems)
    if said.away:
        raise Unavailable(FleetCode.SHARED_DOWN, said.away)
    return said.changed


def take_down() -> bool:
    """End replicas, ingresses and the watcher; return False if there were none. What is in `fleet.shared` stays."""
    there = NAME in serve.status().applications
    if there:
        serve.delete(NAME)
    return _end_watcher() or there


def _require_gpus(settings: Settings) -> None:
    wanted = gpus_of(settings) * settings.fleet.replicas
    there = float(ray.cluster_resources().get("GPU", 0.0))
    if wanted > there:
        sentence = (
            f"{settings.fleet.replicas} replicas with fleet.gpus_per_replica = {gpus_of(settings):g} need {wanted:g} "
            f'GPUs, and Ray has {there:g}; add nodes, or set model.device = "cpu"'
        )
        raise Unavailable(FleetCode.NOT_UP, sentence)


def _await(watcher: ActorHandle) -> None:
    """Wait until the watcher watches. Raises Unavailable."""
    try:
        ray.get(watcher.__ray_ready__.remote())
    except RayActorError as error:
        sentence = f"the watcher does not start: {_cause(error)}; Ray's logs have the reason"
        raise Unavailable(FleetCode.NOT_UP, sentence) from None


def _end_watcher() -> bool:
    """End the one that runs, and wait until its name is free; return False if there was none. Raises Unavailable."""
    there, end = False, time.monotonic() + _GONE
    while time.monotonic() < end:
        try:
            ray.kill(ray.get_actor(WATCHER, namespace=NAMESPACE))
        except ValueError:
            return there
        there = True
        time.sleep(_LOOK)
    raise Unavailable(FleetCode.NOT_UP, f"the watcher has not ended within {_GONE:g} s; look at Ray")


def _cause(error: Exception) -> str:
    """Return the last line of what Ray says of an error: that of the error itself."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
