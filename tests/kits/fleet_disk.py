"""The shared directory of the simulator: everybody may lose it, and it notes what was written and removed."""

from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.shared.pointer import Pointer
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.files import CONFIG, WEIGHTS
from kits.fleet import MemoryPlace


class SharedDisk(MemoryPlace):
    """The shared directory, which everybody may lose for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.written: list[Pointer] = []
        self.removed: list[str] = []

    def reach(self) -> None:
        if self.down:
            raise Unavailable(FleetCode.SHARED_DOWN, "it is down")

    def remove(self, name: str) -> None:
        self.reach()
        if name.startswith("adapters/") and name in self.contents:
            self.removed.append(name)
        super().remove(name)

    def create(self, name: str, content: bytes) -> bool:
        done = super().create(name, content)
        if done and name.startswith("pointers/"):
            self.written.append(Pointer.load(content))
        return done

    def put(self, digest: str) -> None:
        """Write an adapter's bytes, as the watcher does. Raises Unavailable."""
        for name in (WEIGHTS, CONFIG):
            self.create(f"adapters/{digest}/{name}", digest.encode())
