"""The processes of a fleet on this machine, by what the kernel says of them: a test kills them."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TITLES = {
    "replica": "ray::ServeReplica:hotswapd:replica",
    "ingress": "ray::ServeReplica:hotswapd:ingress",
    "proxy": "ray::ProxyActor",
    "controller": "ray::ServeController",
    "watcher": "ray::Watcher",
}
"""How Ray calls them, by what they are."""


class Census:
    """The processes of the Ray whose files lie below a directory."""

    def __init__(self, room: Path) -> None:
        self._room = str(room)

    def pids(self, kind: str) -> list[int]:
        """Return the processes of this kind that live."""
        return sorted(pid for pid, title in _titles() if title.startswith(TITLES[kind]) and self._is_ours(pid))

    def all(self) -> dict[str, list[int]]:
        """Return the processes of each kind."""
        return {kind: self.pids(kind) for kind in TITLES}

    def children(self, raylet: int, kind: str) -> list[int]:
        """Return those of a kind that a raylet has started."""
        return [pid for pid in self.pids(kind) if _parent_of(pid) == raylet]

    def _is_ours(self, pid: int) -> bool:
        """Tell whether a process's parent is a raylet of this Ray, which names its own directory."""
        return self._room in _parent(pid)


def end_all(directory: Path) -> None:
    """Kill whatever has been started with files in this directory, by what its command line says."""
    for pid, title in _titles():
        if str(directory) in title:
            with suppress(ProcessLookupError):
                kill(pid)


def kill(pid: int) -> float:
    """End a process as a power cut would; return when."""
    os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def _titles() -> Iterator[tuple[int, str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended


def _parent(pid: int) -> str:
    """Return the command line of a process's parent."""
    try:
        return Path(f"/proc/{_parent_of(pid)}/cmdline").read_text()
    except OSError:
        return ""


def _parent_of(pid: int) -> int:
    """Return a process's parent, 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
