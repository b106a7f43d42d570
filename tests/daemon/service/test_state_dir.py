"""The state directory: private, and one daemon's alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hotswapd.daemon.config.settings import ConfigError
from hotswapd.daemon.service.state_dir import Occupied, StateDir, prepare_caches

OCCUPY = (
    "import sys, pathlib; from hotswapd.daemon.service.state_dir import StateDir; "
    "StateDir(pathlib.Path(sys.argv[1])).occupy()"
)


def test_it_is_made_private_with_all_that_is_above_it(tmp_path: Path) -> None:
    """Nobody else may read adapters or the ledger."""
    state = StateDir(tmp_path / "a" / "b")
    state.occupy()
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
    assert (state.ledger.parent, state.store.parent) == (state.path, state.path)
    state.leave()


def test_a_second_daemon_is_refused_until_the_first_has_left(tmp_path: Path) -> None:
    """The sentence names the directory and what to do; the kernel lets go of the lock of a dead process."""
    first, second = StateDir(tmp_path), StateDir(tmp_path)
    first.occupy()
    with pytest.raises(Occupied, match=f"another hotswapd uses the state directory {tmp_path}: stop it, or set"):
        second.occupy()
    done = subprocess.run([sys.executable, "-c", OCCUPY, str(tmp_path)], check=False, capture_output=True, text=True)
    assert "Occupied" in done.stderr
    first.leave()
    first.leave()
    second.occupy()
    second.leave()


def test_a_process_that_dies_leaves_it_free(tmp_path: Path) -> None:
    """No stale lock is ever in the way: the file stays, the lock does not."""
    child = os.fork()
    if child == 0:
        StateDir(tmp_path).occupy()
        os._exit(9)
    os.waitpid(child, 0)
    state = StateDir(tmp_path)
    assert (tmp_path / "lock").exists()
    state.occupy()
    state.leave()


@pytest.mark.parametrize("make", ["file", "link to nowhere"])
def test_a_place_that_is_no_directory_is_a_configuration_error(tmp_path: Path, make: str) -> None:
    """It names the key, so that the exit status is 78 and not a trace."""
    path = tmp_path / "state"
    path.touch() if make == "file" else path.symlink_to(tmp_path / "away" / "nowhere")
    with pytest.raises(ConfigError) as caught:
        StateDir(path).occupy()
    assert (caught.value.key, str(path) in caught.value.sentence) == ("state.dir", True)


def test_a_file_system_without_locks_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none; two daemons on one directory are worse than none."""

    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("hotswapd.daemon.service.state_dir.fcntl.flock", no_locks)
    with pytest.raises(ConfigError, match=r"state\.dir: .* cannot be locked: No locks available"):
        StateDir(tmp_path).occupy()


def test_caches_go_where_the_service_manager_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What compilation makes outlives a restart; whoever has chosen a place keeps it."""
    for name in ("CACHE_DIRECTORY", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/hotswapd:/other")
    monkeypatch.setenv("TRITON_CACHE_DIR", "/mine")
    prepare_caches(tmp_path)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/var/cache/hotswapd/inductor"
    assert os.environ["TRITON_CACHE_DIR"] == "/mine"


def test_the_name_of_each_directory_made_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut could take the directory away, and all that was synced in it."""
    synced: list[Path] = []
    real = os.fsync

    def note(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())
        real(fd)

    monkeypatch.setattr(os, "fsync", note)
    state = StateDir(tmp_path / "a" / "b")
    state.occupy()
    state.leave()
    assert sorted(synced) == [tmp_path, tmp_path / "a"]
