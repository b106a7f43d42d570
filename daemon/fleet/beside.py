"""What is beside the live generations, as the watcher tells the ingresses: by it they split requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotswapd.daemon.share import Share


@dataclass(frozen=True, slots=True)
class Beside:
    """One rollout: whose requests go to the generation beside the live one, and the digest of that."""

    share: Share
    digest: str


@dataclass(frozen=True, slots=True)
class Told:
    """What an ingress hears of the watcher: the serial of the newest pointer, and what is beside, by channel."""

    serial: int = 0
    beside: Mapping[str, Beside] = field(default_factory=dict)
