"""``hotswapd fleet``: bring up the fleet that a configuration describes, and take it down again."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable

from hotswapd.daemon.config.errors import ConfigError
from hotswapd.daemon.config.fleet_settings import fleet_settings
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.terminal.complaint import complain
from hotswapd.loaders.errors import Unavailable

from .run import default_config

_NO_RAY = "a fleet runs on Ray Serve, which is not installed: pip install 'hotswapd[ray]'"


def deploy(arguments: Namespace) -> int:
    """Bring the fleet up, or replace what runs, and wait until it serves."""
    return _on_ray(arguments, _deploy)


def delete(arguments: Namespace) -> int:
    """Take the fleet down."""
    return _on_ray(arguments, _delete)


def reload(arguments: Namespace) -> int:
    """Have the fleet that runs go by the configuration as it is now."""
    return _on_ray(arguments, _reload)


def _on_ray(arguments: Namespace, act: Callable[[Settings], int]) -> int:
    try:
        settings = fleet_settings(arguments.config or default_config(), os.environ)
    except ConfigError as error:
        return _refused(error)
    try:
        import ray.serve  # noqa: F401 - what follows needs it
    except ImportError:
        return complain(_NO_RAY, Exit.UNAVAILABLE)
    try:
        return act(settings)
    except ConfigError as error:
        return _refused(error)
    except Unavailable as error:
        return complain(error.sentence, Exit.UNAVAILABLE)


def _refused(error: ConfigError) -> int:
    for problem in error.problems:
        complain(str(problem), Exit.CONFIGURATION)
    return Exit.CONFIGURATION


def _deploy(settings: Settings) -> int:
    from hotswapd.daemon.fleet.serving.cluster import bring_up, connected

    fleet, serving = settings.fleet, settings.serve
    with connected(fleet.address):
        _say(f"bringing up {fleet.replicas} replicas and {fleet.ingresses} ingresses; each replica loads the model")
        bring_up(settings)
    _say(f"the fleet serves: HTTP on {serving.host}:{serving.port} of every node; end it with hotswapd fleet delete")
    return Exit.FINE


def _delete(settings: Settings) -> int:
    from hotswapd.daemon.fleet.serving.cluster import connected, take_down

    with connected(settings.fleet.address):
        if not take_down():
            return complain("no fleet runs there", Exit.UNAVAILABLE)
    _say(f"the fleet is gone; {settings.fleet.shared} is as it was, and a new fleet goes on with it")
    return Exit.FINE


def _reload(settings: Settings) -> int:
    from hotswapd.daemon.fleet.serving import cluster

    with cluster.connected(settings.fleet.address):
        tables = cluster.reload(settings)
    _say(f"the fleet goes by it; changed: {', '.join(tables)}" if tables else "nothing has changed")
    return Exit.FINE


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
