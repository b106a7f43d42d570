"""What is beside the live generations, as the watcher tells the ingresses: by it they split requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotswapd.daemon.share import Share

from .rules import Rules


@dataclass(frozen=True, slots=True)
class Beside:
    """One rollout: whose requests go to the generation beside the live one, and the digest of that."""

    share: Share
    digest: str


@dataclass(frozen=True, slots=True)
class Told:
    """What an ingress hears: the newest pointer's serial, what is beside, by channel, and what configuration holds."""

    serial: int = 0
    beside: Mapping[str, Beside] = field(default_factory=dict)
    rules: Rules = field(default=Rules())
