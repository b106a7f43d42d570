"""What `serve run hotswapd.daemon.fleet.app:build config=FILE` and a `serve deploy` file name. Needs Ray."""

import os
from pathlib import Path

from ray.serve import Application

from hotswapd.daemon.config.errors import ConfigError
from hotswapd.daemon.config.fleet_settings import fleet_settings

from .serving.application import application, together_of

_CONFIG = "config"


def build(args: dict[str, str]) -> Application:
    """Make the application that a configuration file describes.

    `args` has its path, as ``config``, on the machine on which this runs. Raises ConfigError.
    """
    if set(args) != {_CONFIG}:
        raise ConfigError(_CONFIG, f"name the TOML file, and nothing else: config=FILE, not {sorted(args)}")
    settings = fleet_settings(Path(args[_CONFIG]), os.environ)
    return application(settings, together_of(settings))
