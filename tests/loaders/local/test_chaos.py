"""Others go on writing while the folder is scanned and copied."""

import os
import random
import shutil
import threading
from pathlib import Path

import pytest
from kits.costs import held_open
from kits.folders import WEIGHTS, weights, write_folder
from kits.waiting import until

from hotswapd.loaders.errors import LoadError
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.store.store import Store

PAYLOAD = 20_000
# watchdog says so of every directory that appears while another is being added.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")


def churn(root: Path, seed: int, rounds: int) -> None:
    """Write, overwrite, rename, link and delete at random; leave a good adapter in each of four places."""
    draw = random.Random(seed)
    for n in range(rounds):
        run = root / f"group-{draw.randrange(2)}" / f"run-{draw.randrange(2)}"
        match draw.randrange(6):
            case 0:
                shutil.rmtree(run, ignore_errors=True)
            case 1 if run.exists():
                run.rename(root / f".old-{n}")
            case 2 if not run.exists():
                run.parent.mkdir(exist_ok=True)
                run.symlink_to(root)
                run.unlink()
            case 3 if run.exists():
                (run / WEIGHTS).unlink(missing_ok=True)
                os.mkfifo(run / WEIGHTS)
                (run / WEIGHTS).unlink()
            case _:
                write_folder(run, bytes([n % 256]) * PAYLOAD)
    for group in range(2):
        for n in range(2):
            write_folder(root / f"group-{group}" / f"run-{n}", b"\xff" * PAYLOAD)


def test_scans_and_copies_stay_true_while_everything_changes(tmp_path: Path) -> None:
    """No scan fails, no copy mixes two versions of a file, no descriptor is left, and the end is seen."""
    (tmp_path / "root").mkdir()
    source = LocalSource("", tmp_path / "root", settle=0.02)
    store = Store(tmp_path / "store", reserve_bytes=0)
    source.scan()
    writer = threading.Thread(target=churn, args=(tmp_path / "root", 7, 400))
    writer.start()
    digests: set[str] = set()

    def look() -> int:
        scan = source.scan()
        ready = [s for s in scan.sightings if s.waiting is None]
        for sighting in ready:
            try:
                digests.add(source.fetch(sighting, store, threading.Event()).digest)
            except LoadError as error:
                assert error.code in {"changed", "gone", "symlink", "not_regular", "read_failed"}
        source.wait(min(scan.again_in, 1.0))
        return len(ready)

    while writer.is_alive():
        look()
    while look() < 4:
        assert not writer.is_alive()
    for digest in digests:
        artifact = store.find(digest)
        assert artifact is not None
        content = (artifact.path / WEIGHTS).read_bytes()
        assert content == weights(content[-1:] * PAYLOAD)
    assert digests
    # watchdog's thread may be listing a directory that has just come; a descriptor that was lost stays open.
    until(lambda: not held_open(tmp_path), lambda: f"{held_open(tmp_path)} stay open")
    source.close()
