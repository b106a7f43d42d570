"""Other users' files, and file systems that come and go. Most of it needs root to set up."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.folders import WEIGHTS, write_folder

from hotswapd.loaders.errors import SourceDown, Unavailable
from hotswapd.loaders.local import watch
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.source import Waiting
from hotswapd.loaders.store.store import Store

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    try:
        os.seteuid(NOBODY)
    except PermissionError:
        pytest.skip("becoming another user needs CAP_SETUID")
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def root() -> Iterator[Path]:
    """A directory that other users can reach, which pytest's own are not."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def source(root: Path) -> Iterator[LocalSource]:
    source = LocalSource("", root, settle=0.0, clock=Clock())
    yield source
    source.close()


def waiting(source: LocalSource) -> Waiting | None:
    (sighting,) = source.scan().sightings
    return sighting.waiting


@needs_root
def test_an_unreadable_file_waits_with_a_remedy(source: LocalSource, root: Path) -> None:
    write_folder(root / "run")
    (root / "run" / WEIGHTS).chmod(0o600)
    with another_user():
        reason = waiting(source)
    assert reason is not None
    assert reason.code == "permission"
    assert f"{WEIGHTS} has mode 0600 and belongs to uid 0" in reason.sentence
    assert "chmod a+r" in reason.sentence
    assert f"setfacl -m u:{NOBODY}:r" in reason.sentence
    (root / "run" / WEIGHTS).chmod(0o644)
    with another_user():
        assert waiting(source) is None


@needs_root
@pytest.mark.parametrize("mode", [0o700, 0o744, 0o711])
def test_an_unreadable_directory_waits_with_a_remedy(source: LocalSource, root: Path, mode: int) -> None:
    write_folder(root / "run").chmod(mode)
    with another_user():
        reason = waiting(source)
    assert reason is not None
    assert reason.code == "permission"
    assert f"mode {mode:04o}" in reason.sentence
    assert "chmod a+rx" in reason.sentence
    (root / "run").chmod(0o755)
    with another_user():
        assert waiting(source) is None


@needs_root
def test_permission_lost_between_sighting_and_fetching_waits(source: LocalSource, root: Path, tmp_path: Path) -> None:
    write_folder(root / "run")
    (sighting,) = source.scan().sightings
    store = Store(tmp_path / "store", reserve_bytes=0)
    (root / "run" / WEIGHTS).chmod(0o600)
    with another_user(), pytest.raises(Unavailable) as unavailable:
        source.fetch(sighting, store, threading.Event())
    assert unavailable.value.code == "permission"


@needs_root
def test_an_unreadable_root_is_down(source: LocalSource, root: Path) -> None:
    root.chmod(0o700)
    with another_user(), pytest.raises(SourceDown) as down:
        source.scan()
    assert down.value.code == "root_unreadable"
    assert f"uid {NOBODY}" in down.value.sentence


@pytest.fixture
def mounted(root: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "none", str(root)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root and CAP_SYS_ADMIN")
    yield root
    subprocess.run(["umount", "-l", str(root)], capture_output=True, check=False)


def test_an_unmounted_root_is_watched_when_it_is_back(source: LocalSource, mounted: Path) -> None:
    write_folder(mounted / "run")
    assert waiting(source) is None
    subprocess.run(["umount", "-l", str(mounted)], check=True)
    assert source.scan().sightings == ()
    source._bell.wait(0.0)
    write_folder(mounted / "run-2")
    assert source._bell.wait(30.0)
    assert waiting(source) is None


def watched_again(source: LocalSource) -> None:
    """Scan once something has rung, as the scanner does, and wait until nothing rings any more."""
    assert source._bell.wait(30.0)
    source._watch._retry_at = float("-inf")  # it has been watched for longer than a moment
    source.scan()
    source._bell.wait(0.0)


def test_a_root_mounted_again_with_the_same_numbers_is_watched(source: LocalSource, mounted: Path) -> None:
    """Device, inode and even the number of the mount are the same: the events of the old one are dead all the same."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "none", str(mounted)]
    source.scan()
    source._bell.wait(0.0)
    before = mounted.stat()
    subprocess.run(["umount", str(mounted)], check=True)
    subprocess.run(mount, check=True)
    after = mounted.stat()
    if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino):
        pytest.skip("this kernel gave it another number")
    watched_again(source)
    write_folder(mounted / "run")
    assert source._bell.wait(30.0)


def test_a_mount_over_the_root_rings(source: LocalSource, root: Path, request: pytest.FixtureRequest) -> None:
    """No event of the directory below it tells of that."""
    source.scan()
    source._bell.wait(0.0)
    mounted = request.getfixturevalue("mounted")
    watched_again(source)
    write_folder(mounted / "run")
    assert source._bell.wait(30.0)


def test_a_volume_below_the_root_that_is_mounted_again_is_watched(source: LocalSource, root: Path) -> None:
    below = root / "team"
    below.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "none", str(below)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root and CAP_SYS_ADMIN")
    try:
        source.scan()
        subprocess.run(["umount", str(below)], check=True)
        subprocess.run(mount, check=True)
        watched_again(source)
        write_folder(below / "run")
        assert source._bell.wait(30.0)
    finally:
        subprocess.run(["umount", "-l", str(below)], capture_output=True, check=False)


def test_an_unwatchable_root_is_scanned_every_five_seconds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "is_remote", lambda device: True)
    source = LocalSource("", root, rescan=15.0, clock=Clock())
    assert source.scan().again_in == 5.0
    source = LocalSource("", root, rescan=3.0, clock=Clock())
    assert source.scan().again_in == 3.0
