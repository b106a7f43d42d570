"""A configuration as that of a fleet: what it must say for that, and what it may not."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import ConfigError, Problem
from .settings import Settings, load_settings


def fleet_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the configuration of a fleet, with `environ` over it. Raises ConfigError with every key that is wrong."""
    settings = load_settings(path, environ)
    if problems := list(fleet_problems(settings)):
        raise ConfigError.of(problems)
    return settings


def gpus_of(settings: Settings) -> float:
    """Return how many GPUs each replica has: none where the model is to run on the CPU."""
    return 0.0 if settings.model.device == "cpu" else settings.fleet.gpus_per_replica


def grows(settings: Settings) -> bool:
    """Tell whether Serve changes the number of replicas by load."""
    return settings.fleet.max_replicas > settings.fleet.replicas


def fleet_problems(settings: Settings) -> Iterator[Problem]:
    """Find what keeps a configuration that is good for one process from being that of a fleet."""
    if not settings.fleet.shared:
        yield Problem("fleet.shared", "is required for a fleet: name a directory that every node has mounted")
    if 0 < settings.fleet.max_replicas < settings.fleet.replicas:
        sentence = f"is less than fleet.replicas = {settings.fleet.replicas}: set it to more, or to 0"
        yield Problem("fleet.max_replicas", sentence)
    if settings.serve.tls_cert:
        yield Problem("serve.tls_cert", "a fleet's HTTP is Ray Serve's: put TLS in front of it, and remove this key")
