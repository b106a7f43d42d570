"""The state directory: one daemon at a time, and the paths of its parts."""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from hotswapd.daemon.config.settings import ConfigError
from hotswapd.loaders.store.syncing import fsync_directory


class Occupied(Exception):
    """Another daemon uses this state directory: exit with status 75."""


@dataclass(slots=True)
class StateDir:
    """The directory, locked for as long as the process lives."""

    path: Path
    _lock: int = -1

    @property
    def ledger(self) -> Path:
        """The path of the ledger."""
        return self.path / "ledger.sqlite"

    @property
    def store(self) -> Path:
        """The path of the store."""
        return self.path / "store"

    def occupy(self) -> None:
        """Make a private directory, and lock it. Raises Occupied, or ConfigError if it cannot be used."""
        try:
            _make(self.path)
            self._lock = _open_lock(self.path / "lock")
        except OSError as error:
            raise ConfigError("state.dir", f"{self.path} cannot be used: {error.strerror or error}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(
                f"another hotswapd uses the state directory {self.path}: stop it, or set state.dir"
            ) from None
        except OSError as error:  # a file system without locks
            raise ConfigError("state.dir", f"{self.path} cannot be locked: {error.strerror or error}") from None

    def leave(self) -> None:
        """Unlock it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _make(path: Path) -> None:
    """Make a private directory whose name survives a power cut, and with it everything that is synced below."""
    fresh = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in {path, *fresh}:
        with contextlib.suppress(OSError):  # a parent that we may not read, or a read-only one
            fsync_directory(one.parent)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        if not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a disk that became read-only can still be locked


def prepare_caches(state: Path) -> None:
    """Keep compiled code across restarts, so that the next start is warm; the environment's own settings win."""
    root = Path(os.environ.get("CACHE_DIRECTORY", str(state / "cache")).split(":")[0])
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(root / "inductor"))
    os.environ.setdefault("TRITON_CACHE_DIR", str(root / "triton"))
