"""What is beside the live generations, as the watcher tells the ingresses: by it they split requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotswapd.daemon.share import Share

from .keeping import UnderWay
from .rules import Rules
from .shared.pointer import Pointer


@dataclass(frozen=True, slots=True)
class Beside:
    """One rollout: whose requests go to the generation beside the live one, and the digest of that."""

    share: Share
    digest: str


_NOTHING: Mapping[str, Beside] = {}


@dataclass(frozen=True, slots=True)
class Told:
    """What an ingress hears: the newest pointer's serial, what is beside, by channel, and what configuration holds.

    `newest` is that pointer as it was written, if the ingress follows an older one: it may be unable to read it.
    """

    serial: int = 0
    beside: Mapping[str, Beside] = field(default_factory=dict)
    rules: Rules = field(default=Rules())
    newest: str = ""

    @classmethod
    def of(cls, now: Pointer, said: UnderWay, rules: Rules, beside: Mapping[str, Beside] = _NOTHING) -> "Told":
        """Answer what an ingress has said, of which `now` is the newest pointer."""
        return cls(now.serial, beside, rules, now.dump().decode() if said.serial < now.serial else "")
