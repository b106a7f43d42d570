"""What every process of a fleet is told at its start: where the shared state lies, and what the watcher is called."""

from dataclasses import dataclass
from pathlib import Path

from hotswapd.daemon.fleet.fleet import Limits
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.daemon.fleet.shared.trail import Trail

NAMESPACE = "hotswapd"


@dataclass(frozen=True, slots=True)
class Together:
    """`shared` is a directory that every node has mounted. `most` is how many bytes a file of an adapter may have."""

    shared: Path
    watcher: str
    limits: Limits
    most: int = 4 << 30

    def trail(self) -> Trail:
        """Return the pointers. Raises Unavailable."""
        return Trail(FolderPlace(self.shared))
