"""The kernel's limits on inotify watches, without which a folder is only scanned."""

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from hotswapd.daemon.config.settings import LocalTable, Settings
from hotswapd.loaders.files import MAX_DEPTH

from .finding import Finding, fine, note

_NAME = "watches"
_LIMITS = Path("/proc/sys/fs/inotify")
_COUNTED = 100_000
"""Directories after which the count ends: no limit that anybody sets is wide enough for more."""


def check_watches(settings: Settings | None) -> Iterator[Finding]:
    """Compare the directories to be watched with the limit; a folder that is not watched is scanned all the same."""
    folders = [table.path for table in settings.source if isinstance(table, LocalTable)] if settings else []
    if settings and not folders:
        yield fine(_NAME, "not needed: no folder is watched")
        return
    trouble = instance_trouble()
    if trouble:
        yield note(_NAME, trouble, "raise fs.inotify.max_user_instances; until then folders are only scanned")
        return
    yield judge(sum(map(directories_in, folders)), limit())


def judge(directories: int, watches: int) -> Finding:
    """Compare a number of directories with the watches that a user may have."""
    if directories > watches:
        sentence = f"{directories} directories are to be watched, and a user may watch {watches}"
        return note(_NAME, sentence, "raise fs.inotify.max_user_watches; the others are only scanned")
    wanted = f" for {directories} directories" if directories else ""
    return fine(_NAME, f"{watches} inotify watches{wanted}")


def limit(limits: Path = _LIMITS) -> int:
    """Return how many watches a user may have, 0 if the kernel does not say."""
    try:
        return int((limits / "max_user_watches").read_text())
    except (OSError, ValueError):
        return 0


def instance_trouble() -> str:
    """Return why no inotify instance can be had, empty if one can."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.inotify_init1(os.O_CLOEXEC)
    if number >= 0:
        os.close(number)
        return ""
    code = ctypes.get_errno()
    used = "as many as this user may have are used" if code == errno.EMFILE else os.strerror(code)
    return f"no inotify instance can be had: {used}"


def directories_in(folder: Path) -> int:
    """Count a folder and the directories below it that are watched, at most 100,000."""
    count, here = 1, [folder]
    for _ in range(MAX_DEPTH):
        here = [below for one in here for below in _directories(one)]
        count += len(here)
        if count > _COUNTED:
            return _COUNTED
    return count


def _directories(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
