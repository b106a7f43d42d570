"""The configured directory itself: it exists, is readable, and not everybody may write to it."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from hotswapd.loaders.codes import RootCode
from hotswapd.loaders.errors import SourceDown

from .safe_open import closing, writable_by_all


@contextmanager
def opened_root(path: str) -> Iterator[int]:
    """Open the directory at `path`; links on the way to it are the operator's own and are followed.

    Raises SourceDown: ``root_missing``, ``root_not_directory``, ``root_unreadable``, ``root_world_writable``.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise root_down(path, error) from error
    with closing(fd):
        facts = os.fstat(fd)
        if writable_by_all(facts):
            raise SourceDown(
                RootCode.ROOT_WORLD_WRITABLE,
                f"{path} can be written by everybody (mode {stat.S_IMODE(facts.st_mode):04o}): run chmod o-w on it",
            )
        yield fd


def root_down(path: str, error: OSError) -> SourceDown:
    """Return what is wrong with the configured directory, and what to do."""
    if error.errno == errno.ENOENT:
        return SourceDown(RootCode.ROOT_MISSING, f"{path} does not exist: make it, or mount it")
    if error.errno == errno.ENOTDIR:
        return SourceDown(RootCode.ROOT_NOT_DIRECTORY, f"{path} is not a directory: name one in the configuration")
    return SourceDown(
        RootCode.ROOT_UNREADABLE, f"{path} cannot be read by uid {os.geteuid()}: {error.strerror}; fix its permissions"
    )
