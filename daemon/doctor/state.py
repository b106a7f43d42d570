"""The state directory: whether it can be written, on which file system it is, and how much is free."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from hotswapd.daemon.config.paths import NoHome, roots_of
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.host.users import user_name

from .finding import Finding, fails, fine, note

_NAME = "state"
_MOUNTS = Path("/proc/self/mountinfo")
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "9p", "afs", "glusterfs"})
_MEMORY = frozenset({"tmpfs", "ramfs"})
_LEAST = 1 << 30
_UNWRITABLE = "make it writable for this user, or set state.dir (HOTSWAPD_STATE__DIR)"


def check_state(settings: Settings | None) -> Iterator[Finding]:
    """Judge the directory itself, or the place where it would be made; nothing is written."""
    try:
        path = settings.state.dir if settings else roots_of(os.environ, os.geteuid()).state_dir()
    except NoHome as error:
        yield fails(_NAME, str(error), "set HOME or XDG_STATE_HOME")
        return
    place = existing(path)
    yield judge(path, place)
    yield from _owner(path)
    yield from _kind(path, file_system(place))
    free = shutil.disk_usage(place).free
    if free < _LEAST:
        yield note(_NAME, f"{free / 2**20:.0f} MiB are free on its disk", "a full disk stops new adapters: free some")


def judge(path: Path, place: Path) -> Finding:
    """Tell whether a daemon of this user could use `path`; `place` is as much of it as exists."""
    if not place.is_dir():
        return fails(_NAME, f"{path} cannot be made: {place} is not a directory", "set state.dir to another place")
    if not os.access(place, os.W_OK | os.X_OK):
        what = "cannot be written" if place == path else f"cannot be made: {place} cannot be written"
        return fails(_NAME, f"{path} {what} by uid {os.geteuid()}", _UNWRITABLE)
    locked = lock_trouble(path / "lock" if (path / "lock").exists() else place)
    if locked is None:
        return fine(_NAME, f"{path} is used by a hotswapd that runs")
    if locked:
        return fails(_NAME, f"{place} cannot be locked: {locked}", "keep the state on a local disk")
    return fine(_NAME, f"{path} can be {'used' if place == path else 'made'}")


def lock_trouble(path: Path) -> str | None:
    """Return why a file or a directory cannot be locked, empty if it can; None if another process has locked it."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return str(error.strerror)
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError as error:
        return str(error.strerror)
    finally:
        os.close(number)
    return ""


def existing(path: Path) -> Path:
    """Return as much of a path as exists."""
    return next((one for one in (path, *path.parents) if os.path.lexists(one)), Path("/"))


def _owner(path: Path) -> Iterator[Finding]:
    try:
        owner = path.stat().st_uid
    except OSError:
        return
    if owner != os.geteuid():
        yield note(_NAME, f"{path} belongs to {user_name(owner)}", "start the daemon as that user")


def _kind(path: Path, kind: str) -> Iterator[Finding]:
    if kind in _REMOTE or kind.startswith("fuse"):
        remedy = "keep the state on a local disk: it needs locks and renames that outlast a power cut"
        yield note(_NAME, f"{path} is on {kind}, a remote file system", remedy)
    elif kind in _MEMORY:
        yield note(_NAME, f"{path} is on {kind} and is lost when the machine restarts", "set state.dir to a disk")


def file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """Return the kind of file system that a path is on, empty if that cannot be told."""
    best, kind = -1, ""
    try:
        real, lines = path.resolve(), mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if real.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), right.split()[0]
    return kind
