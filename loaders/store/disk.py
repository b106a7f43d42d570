"""Writing to a disk so that it outlasts a power cut, and what goes wrong when the store does."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.errors import Unavailable

from .syncing import fsync_directory


def write_durably(path: Path, data: bytes, mode: int = 0o600, on_written: Callable[[], object] = lambda: None) -> None:
    """Replace a small file in one step; it is written under the name ``<path>.new`` first. For one thread at a time.

    `on_written` is called as by `replace_durably`. Raises OSError.
    """
    replace_durably(path, path.with_name(f"{path.name}.new"), [data], mode, on_written)


def replace_durably(
    path: Path,
    fresh: Path,
    chunks: Iterable[bytes],
    mode: int = 0o600,
    on_written: Callable[[], object] = lambda: None,
) -> None:
    """Write `chunks` to `fresh`, which must be in the same directory, and give it the name `path` in one step.

    The bytes are on disk before the rename, and the new name is on disk on return: a power cut leaves the old file or
    the new one. `on_written` is called in between, when only the rename is missing. Raises OSError, and what the
    iteration of `chunks` or `on_written` raises; `path` is then as it was, and `fresh` is gone.
    """
    try:
        write_synced(fresh, chunks, mode)
        on_written()
        fresh.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error counts
            fresh.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def write_synced(path: Path, chunks: Iterable[bytes], mode: int = 0o600) -> None:
    """Write a file of its own so that the bytes are on disk on return; its name need not be. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        for chunk in chunks:
            write_all(fd, chunk)
        os.fchmod(fd, mode)  # whatever the umask, or a file that was left behind, has
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, however many calls that takes. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def remove(path: Path) -> None:
    """Remove a file, or a directory with all that is in it as far as that is possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def disk_full(detail: str) -> Unavailable:
    """Return the error for a disk that is full but for its reserve; `detail` is half a sentence."""
    return Unavailable(
        WaitingCode.DISK_FULL, f"the store's disk is full: {detail}; free some space or lower state.keep"
    )


def store_full(detail: str) -> Unavailable:
    """Return the error for a store that is as large as it may be; `detail` is half a sentence."""
    sentence = f"the store has reached state.max_bytes: {detail}; raise it, lower state.keep, or remove a channel"
    return Unavailable(WaitingCode.STORE_FULL, sentence)


@contextlib.contextmanager
def store_errors() -> Iterator[None]:
    """Turn the store's own OSErrors into Unavailable, which tells them from the source's."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(str(error)) from error
        raise Unavailable(
            WaitingCode.STORE_FAILED, f"the store cannot be written: {error}; fix its file system or permissions"
        ) from error
