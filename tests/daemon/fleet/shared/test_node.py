"""Adapters' bytes on one machine: there once, compared by whoever uses them, and gone when nobody does."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kits.rows import adapter
from kits.waiting import until

from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.daemon.fleet.shared.node import NodeCopies
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.store.store import Store, digest_of

MOST = 1 << 24


class Counting(FolderPlace):
    """A shared directory that counts how often bytes are read from it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    def chunks(self, name: str) -> Iterable[bytes]:
        self.reads.append(name)
        return super().chunks(name)


class Scene:
    """A shared directory with two adapters, and a directory of this machine."""

    def __init__(self, room: Path) -> None:
        self.room = room
        self.place = Counting(room / "shared")
        self.digests = [self._send(Store(room / "own", reserve_bytes=0), index) for index in range(2)]

    def _send(self, store: Store, index: int) -> str:
        with store.stage() as stage:
            for name in (CONFIG, WEIGHTS):
                stage.write(name, [(adapter(index) / name).read_bytes()], MOST)
            artifact = stage.commit()
        SharedCopies(self.place).send(artifact)
        return artifact.digest

    def replica(self) -> NodeCopies:
        return NodeCopies(SharedCopies(self.place), self.room / "node", MOST)

    def there(self) -> set[str]:
        return {path.name for path in (self.room / "node" / "artifacts").iterdir()}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def replicas(scene: Scene) -> Iterator[list[NodeCopies]]:
    made = [scene.replica() for _ in range(3)]
    with ExitStack() as stack:
        for one in made:
            stack.callback(one.close)
        yield made


def test_three_replicas_read_the_shared_place_once(scene: Scene, replicas: list[NodeCopies]) -> None:
    """They ask at the same time, and each gets the same directory."""
    found: list[Path] = []
    threads = [threading.Thread(target=lambda one=one: found.append(one.fetch(scene.digests[0]))) for one in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert digest_of(found[0]) == scene.digests[0]
    assert sorted(scene.place.reads) == [f"adapters/{scene.digests[0]}/{name}" for name in (CONFIG, WEIGHTS)]


def test_the_bytes_go_with_the_last_who_needs_them(scene: Scene, replicas: list[NodeCopies]) -> None:
    one, two = scene.digests
    for replica in replicas:
        replica.fetch(one)
    replicas[0].fetch(two)
    for replica in replicas[:2]:
        replica.release({two})
        assert scene.there() == {one, two}
    replicas[2].release({two})
    assert scene.there() == {two}
    replicas[0].release(())
    assert scene.there() == set()
    assert {path.name for path in (scene.room / "node" / "locks").iterdir()} == {"room", "bringing"}


def test_what_has_gone_is_fetched_again(scene: Scene, replicas: list[NodeCopies]) -> None:
    for _ in range(2):
        assert digest_of(replicas[0].fetch(scene.digests[0])) == scene.digests[0]
        replicas[0].release(())
    assert len(scene.place.reads) == 4


def test_a_damaged_copy_that_nobody_holds_is_fetched_again(scene: Scene, replicas: list[NodeCopies]) -> None:
    path = replicas[0].fetch(scene.digests[0])
    spoil(path)
    with pytest.raises(Unavailable, match="damaged, and another replica holds it") as caught:
        replicas[1].fetch(scene.digests[0])
    assert caught.value.code == FleetCode.NOT_SHARED
    for replica in replicas:
        replica.release(())
    assert digest_of(replicas[1].fetch(scene.digests[0])) == scene.digests[0]


def test_nobody_takes_a_copy_that_is_damaged_by_its_word(scene: Scene, replicas: list[NodeCopies]) -> None:
    """It lies there from a process that has died with it."""
    path = replicas[0].fetch(scene.digests[0])
    spoil(path)
    os.close(replicas[0]._held.pop(scene.digests[0])[0])
    assert digest_of(replicas[1].fetch(scene.digests[0])) == scene.digests[0]


def spoil(path: Path) -> None:
    with (path / WEIGHTS).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))


HOLDER = """
import sys, time
from pathlib import Path
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.daemon.fleet.shared.node import NodeCopies
room, digest = Path(sys.argv[1]), sys.argv[2]
NodeCopies(SharedCopies(FolderPlace(room / "shared")), room / "node", 1 << 24).fetch(digest)
(room / "node" / "stages" / "left").mkdir()
print("held", flush=True)
time.sleep(600)
"""


def test_a_replica_that_is_killed_holds_nothing(scene: Scene) -> None:
    """While another one lives its bytes stay until somebody needs them; the next that comes alone clears up."""
    argv = [sys.executable, "-c", HOLDER, str(scene.room), scene.digests[0]]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        other = scene.replica()
        assert scene.there() == {scene.digests[0]}, "the holder lives"
        holder.send_signal(signal.SIGKILL)
    other.fetch(scene.digests[0])
    other.release(())
    assert scene.there() == set()
    other.close()
    assert (scene.room / "node" / "stages" / "left").is_dir()
    alone = scene.replica()
    until(lambda: not (scene.room / "node" / "stages" / "left").exists(), "nobody clears up")
    alone.close()


def test_a_directory_of_somebody_else_is_not_used(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    (scene.room / "elsewhere").mkdir()
    (scene.room / "node").symlink_to(scene.room / "elsewhere")
    with pytest.raises(Unavailable, match="set TMPDIR"):
        scene.replica()
