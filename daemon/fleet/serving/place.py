"""What every process of a fleet is told at its start: where the shared state lies, and what the watcher is called."""

from dataclasses import dataclass

from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.shared.address import open_place
from hotswapd.daemon.fleet.shared.trail import Trail
from hotswapd.loaders.uri import in_bucket

NAMESPACE = "hotswapd"
_LEAST = 1.0


@dataclass(frozen=True, slots=True)
class Together:
    """`shared` is `fleet.shared`. `most` is how many bytes a file of an adapter may have.

    `deployment` names this one among all that were ever made of this `shared`.
    """

    shared: str
    watcher: str
    limits: Limits
    most: int = 4 << 30
    deployment: str = "usual"

    def trail(self) -> Trail:
        """Return the pointers. Raises Unavailable."""
        return Trail(open_place(self.shared))

    @property
    def least(self) -> float:
        """Seconds between two looks at the pointer: a directory is looked at each time, a bucket is not."""
        return 0.0 if in_bucket(self.shared) is None else _LEAST
