"""What the tests of the fleet share: a place in memory, one whose answers get lost, and records."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.shared.place import Place, not_shared
from hotswapd.loaders.errors import Unavailable
from kits.waiting import LONG


class MemoryPlace:
    """A `Place` in memory."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def reach(self) -> None:
        """Come before every call: it may wait, or raise Unavailable."""

    def create(self, name: str, content: bytes) -> bool:
        self.reach()
        return self.contents.setdefault(name, content) is content

    def read(self, name: str) -> bytes | None:
        self.reach()
        return self.contents.get(name)

    def has(self, name: str) -> bool:
        self.reach()
        return name in self.contents

    def names(self, folder: str) -> list[str]:
        self.reach()
        return sorted(name.removeprefix(f"{folder}/") for name in self.contents if name.startswith(f"{folder}/"))

    def remove(self, name: str) -> None:
        self.reach()
        self.contents.pop(name, None)

    def send(self, name: str, source: Path) -> None:
        self.create(name, source.read_bytes())

    def chunks(self, name: str) -> Iterable[bytes]:
        if name not in self.contents:
            raise not_shared(name, "memory")
        yield self.contents[name]


class Hanging(MemoryPlace):
    """Answers nobody between `hang` and `go_on`, as a mount that hangs does. `entered` is set once somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self._goes = threading.Event()
        self._goes.set()

    def hang(self) -> None:
        self._goes.clear()

    def go_on(self) -> None:
        self._goes.set()

    def reach(self) -> None:
        if not self._goes.is_set():
            self.entered.set()
            assert self._goes.wait(LONG), "it has hung for too long"


class Lost(MemoryPlace):
    """Does what another place does with a name, and never says so: the connection breaks before the answer."""

    def __init__(self, other: Place) -> None:
        super().__init__()
        self.other = other

    def create(self, name: str, content: bytes) -> bool:
        self.other.create(name, content)
        raise Unavailable(FleetCode.SHARED_DOWN, "the connection broke")


def record(number: int, channel: str = "default", digest: str = "") -> dict[str, Any]:
    """Make what a pointer says of a channel, as `Generation.record` does."""
    return {"generation": number, "digest": digest or f"{number:064x}", "channel": channel, "uri": "", "revision": ""}
