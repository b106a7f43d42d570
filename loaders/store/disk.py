"""TODO loaders/store/disk.py."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from hotswapd.loaders.errors import Unavailable


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def disk_full(detail: str) -> Unavailable:
    return Unavailable("disk_full", f"the store's disk is full: {detail}; free some space or lower state.keep")


@contextlib.contextmanager
def store_errors() -> Iterator[None]:
    """Turn the store's own OSErrors into Unavailable, so that they are told from the source's."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(str(error)) from error
        raise Unavailable(
            "store_failed", f"the store cannot be written: {error}; mend its file system or permissions"
        ) from error
