"""Open files below a directory that others can write to, without being led elsewhere or blocked.

Every component below the root is opened relative to its parent and never through a link. A file is examined
before it is opened, so that a FIFO or a device is never opened at all, and again afterwards.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from hotswapd.loaders.codes import FileCode, GoneCode, WaitingCode
from hotswapd.loaders.errors import Gone, Refused, Unavailable

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# A file system may store small files without blocks of their own, so only large files can be called sparse.
_SPARSE_FROM = 1 << 20
_SPARSE_SHARE = 8


def fingerprint(stats: Iterable[os.stat_result | None]) -> str:
    """Return 32 hex characters that change whenever one of the files may have changed.

    ctime is part of it because copying tools set mtime.
    """
    facts = [s and (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in stats]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def identity(stats: Iterable[os.stat_result | None]) -> str:
    """Return what stays the same when files are moved within their file system, or get another owner or mode.

    It is no proof of their content. Empty if one is missing.
    """
    facts = [s and (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for s in stats]
    return "" if None in facts else hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


@contextlib.contextmanager
def closing(fd: int) -> Iterator[int]:
    """Close `fd` at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def open_child(name: str, parent: int) -> int:
    """Open a directory in the directory `parent`, never through a link. Raises OSError."""
    return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def open_below(root: int, parts: Sequence[str]) -> int:
    """Open the directory `parts` below `root`; the caller closes the result.

    Raises Gone, Refused (``symlink``, ``not_regular``, ``world_writable``) or Unavailable (``permission``).
    """
    if not {"", ".", ".."}.isdisjoint(parts):
        raise Refused(FileCode.NOT_REGULAR, f"{'/'.join(parts)} is not a plain path: name the directory itself")
    here = os.dup(root)
    try:
        for part in parts:
            with _explained(part, here):
                below = open_child(part, here)
            os.close(here)
            here = below
            _check_directory(part, os.fstat(here))
    except BaseException:
        os.close(here)
        raise
    return here


def open_file(name: str, parent: int, cap: int) -> int:
    """Open a regular file in the directory `parent`; the caller closes the result.

    Raises Gone, Refused (``symlink``, ``not_regular``, ``hard_link``, ``world_writable``, ``too_large``,
    ``sparse``) or Unavailable (``permission``, ``read_failed``).
    """
    with _explained(name, parent):
        check_file(name, os.stat(name, dir_fd=parent, follow_symlinks=False), cap)
        fd = os.open(name, _FILE, dir_fd=parent)
    try:
        with _explained(name, parent):
            facts = os.fstat(fd)
            check_file(name, facts, cap)
            _check_written(name, fd, facts)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_file(name: str, facts: os.stat_result, cap: int) -> None:
    """Raise Refused unless this is a plain file that only its owner and group can change."""
    mode = facts.st_mode
    if stat.S_ISLNK(mode):
        raise Refused(FileCode.SYMLINK, f"{name} is a symbolic link and links are not followed: copy the file itself")
    if not stat.S_ISREG(mode):
        raise Refused(FileCode.NOT_REGULAR, f"{name} is {_kind(mode)}, not a regular file: copy the file itself")
    if facts.st_nlink > 1:
        raise Refused(
            FileCode.HARD_LINK,
            f"{name} has {facts.st_nlink} names and can be written under another one: copy the file, do not link it",
        )
    if writable_by_all(facts):
        raise Refused(FileCode.WORLD_WRITABLE, f"{name} can be written by everybody: run chmod o-w on it")
    if facts.st_size > cap:
        raise Refused(FileCode.TOO_LARGE, f"{name} has {facts.st_size} bytes and {cap} are allowed")


def writable_by_all(facts: os.stat_result) -> bool:
    """Return whether every user can write to it, or replace its entries (which a sticky directory forbids)."""
    return bool(facts.st_mode & stat.S_IWOTH) and not facts.st_mode & stat.S_ISVTX


def permission_sentence(name: str, facts: os.stat_result) -> str:
    """Return why `name` cannot be read, and what to do."""
    me = os.geteuid()
    wanted = "rx" if stat.S_ISDIR(facts.st_mode) else "r"
    return (
        f"{name} has mode {stat.S_IMODE(facts.st_mode):04o} and belongs to uid {facts.st_uid}, and this daemon runs "
        f"as uid {me}: run chmod a+{wanted} on it, or setfacl -m u:{me}:{wanted}"
    )


@contextlib.contextmanager
def _explained(name: str, parent: int) -> Iterator[None]:
    """Turn an OSError on `name` into the error that names who must act."""
    try:
        yield
    except FileNotFoundError as error:
        raise Gone(GoneCode.GONE, f"{name} was deleted before it could be read") from error
    except OSError as error:
        facts = _lstat(name, parent)
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and facts is not None:
            _refuse_kind(name, facts, error)
        if error.errno in (errno.EACCES, errno.EPERM) and facts is not None:
            raise Unavailable(WaitingCode.PERMISSION, permission_sentence(name, facts)) from error
        raise Unavailable(
            WaitingCode.READ_FAILED, f"{name} cannot be read: {error.strerror}; it is tried again"
        ) from error


def _refuse_kind(name: str, facts: os.stat_result, cause: OSError) -> None:
    if stat.S_ISLNK(facts.st_mode):
        raise Refused(
            FileCode.SYMLINK, f"{name} is a symbolic link and links are not followed: copy the directory itself"
        ) from cause
    if not stat.S_ISDIR(facts.st_mode):
        raise Refused(FileCode.NOT_REGULAR, f"{name} is {_kind(facts.st_mode)}, not a directory") from cause


def _lstat(name: str, parent: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError:
        return None


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFDIR: "a directory",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFREG: "a file",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _check_directory(name: str, facts: os.stat_result) -> None:
    if writable_by_all(facts):
        raise Refused(FileCode.WORLD_WRITABLE, f"directory {name} can be written by everybody: run chmod o-w on it")


def _check_written(name: str, fd: int, facts: os.stat_result) -> None:
    """Refuse a large file of which less than an eighth was ever written.

    On file systems that allocate late the block count alone is wrong for some seconds, so the holes are measured.
    """
    enough = facts.st_size // _SPARSE_SHARE
    if facts.st_size < _SPARSE_FROM or facts.st_blocks * 512 >= enough:
        return
    if _written(fd, enough) < enough:
        raise Refused(FileCode.SPARSE, f"{name} is mostly holes that were never written: copy it again")


def _written(fd: int, enough: int) -> int:
    """Count the bytes outside holes, up to about `enough`."""
    total = end = 0
    while total < enough:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data after here
                break
            raise
        total += end - start
    return total
