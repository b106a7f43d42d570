"""What a disk holds after a power cut: replayed from what the daemon has synced, and from nothing else."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kits.needs import need

SOURCE = Path(__file__).with_name("syncs.c")


@dataclass(slots=True)
class Sync:
    """One fsync that has returned: of which inode, and what every directory held then (name, inode, kind)."""

    number: int
    inode: int = 0
    directories: dict[int, dict[str, tuple[int, str]]] = field(default_factory=dict)
    """By inode; the first is the root of the tree."""


def watcher(into: Path) -> Path:
    """Compile what is preloaded into the daemon, and return where it lies."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    need(compiler, "a C compiler")
    made = into / "syncs.so"
    subprocess.run([str(compiler), "-shared", "-fPIC", "-O1", "-o", made, SOURCE, "-ldl", "-lpthread"], check=True)
    return made


def syncs(out: Path) -> list[Sync]:
    """Read what the preloaded watcher has written down so far, in the order in which it happened."""
    found: list[Sync] = []
    log = out / "log"
    under_way, at = Sync(0), 0
    for line in log.read_text().splitlines() if log.exists() else []:
        kind, number, inode, *rest = line.split(" ", 4)
        if under_way.number != int(number):
            under_way = Sync(int(number))
        if kind == "D":
            at = int(inode)
            under_way.directories[at] = {}
        elif kind == "E":
            under_way.directories[at][rest[1]] = int(inode), rest[0]
        else:
            under_way.inode = int(inode)
            found.append(under_way)
    return found


@dataclass(slots=True)
class Disk:
    """What is durable: each directory's names as they were last synced, each file's bytes likewise."""

    out: Path
    names: dict[int, dict[str, tuple[int, str]]] = field(default_factory=dict)
    files: dict[int, Path] = field(default_factory=dict)

    def take(self, sync: Sync) -> None:
        """Make durable what this sync did."""
        if sync.inode in sync.directories:
            self.names[sync.inode] = sync.directories[sync.inode]
        else:
            self.files[sync.inode] = self.out / str(sync.number)

    def lay_out(self, sync: Sync, into: Path, *, all_names: bool) -> None:
        """Write into a fresh directory what a power cut right after this sync leaves.

        File systems may keep names that nobody has synced, with bytes that nobody has: with `all_names` they do, else
        such names are lost. Bytes that were not synced are lost either way.
        """
        root = next(iter(sync.directories))
        self._lay_out(root, into, sync.directories if all_names else self.names)

    def _lay_out(self, inode: int, into: Path, names: dict[int, dict[str, tuple[int, str]]]) -> None:
        into.mkdir(mode=0o700)
        for name, (below, kind) in names.get(inode, {}).items():
            if kind == "d":
                self._lay_out(below, into / name, names)
            elif below in self.files:
                shutil.copyfile(self.files[below], into / name)
            else:
                (into / name).touch()


def cuts(out: Path, into: Path) -> Iterator[tuple[int, str, Path]]:
    """Lay out the disk after a power cut behind each sync, in both ways; each is taken away when the next is made."""
    disk = Disk(out)
    for sync in syncs(out):
        disk.take(sync)
        for way in ("names are lost", "names are kept"):
            disk.lay_out(sync, into, all_names=way == "names are kept")
            yield sync.number, way, into
            shutil.rmtree(into)
