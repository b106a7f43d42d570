"""A private copy of an adapter's directory, so that the same bytes are checked, hashed and sent."""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hotswapd.loaders.codes import FileCode, WaitingCode
from hotswapd.loaders.digests import MAX_MANIFEST_BYTES, Listed, dump_digests, listed_bytes, load_digests, mismatch
from hotswapd.loaders.errors import Refused, Unavailable
from hotswapd.loaders.files import CONFIG, MANIFEST, PICKLE, WEIGHTS
from hotswapd.loaders.store.store import READ_BYTES
from hotswapd.loaders.whole import config_missing, weights_missing


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A directory with both files and their manifest, and the digest and size of all three."""

    path: Path
    files: dict[str, Listed]

    def write_manifest(self, base_fingerprint: str = "", together: Mapping[str, str] | None = None) -> None:
        """Write the manifest, or write it again as that of a member of a set. Raises OSError."""
        manifest = dump_digests(self.files, base_fingerprint, together)
        (self.path / MANIFEST).write_bytes(manifest)
        self.files[MANIFEST] = Listed(hashlib.sha256(manifest).hexdigest(), len(manifest))


@contextmanager
def snapshot(directory: Path, base_fingerprint: str = "") -> Iterator[Snapshot]:
    """Copy the adapter in `directory` to a temporary one, which is removed when the context ends.

    `base_fingerprint` goes into its manifest.

    Raises Refused ``incomplete``, ``not_regular`` or ``changed``, Unavailable ``read_failed`` or ``disk_full``.
    """
    with ExitStack() as kept:
        try:
            path = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="hotswapd-publish-")))
        except OSError as error:
            raise _no_room(error) from error
        try:
            copy = Snapshot(path, _gather(directory, path))
            copy.write_manifest(base_fingerprint)
        except OSError as error:
            raise _meaning(directory, error) from error
        yield copy


def require_listed(directory: Path) -> None:
    """Compare an adapter's two files with the manifest beside them; without a manifest nothing is read.

    Raises Unavailable ``digest_mismatch``, as a source does for such a directory, or OSError.
    """
    try:
        with open(directory / MANIFEST, "rb", opener=_open_at_once) as file:
            listed = load_digests(file.read(MAX_MANIFEST_BYTES + 1))
    except FileNotFoundError:
        return
    except ValueError as error:
        raise mismatch(str(error)) from error
    for name, wanted in listed.items():
        with open(directory / name, "rb", opener=_open_at_once) as file:
            for _ in listed_bytes(iter(partial(file.read, READ_BYTES), b""), name, wanted):
                pass


def _gather(directory: Path, path: Path) -> dict[str, Listed]:
    before = _facts(directory)
    files: dict[str, Listed] = {name: _copy(directory / name, path / name) for name in (CONFIG, WEIGHTS)}
    if _facts(directory) != before:
        raise Refused(FileCode.CHANGED, f"{directory} was written to while it was read: publish it when it is finished")
    _require_whole(path, directory)
    return files


def _facts(directory: Path) -> list[tuple[int, ...]]:
    """Return what changes when either file is written to or replaced."""
    found = [(directory / name).stat() for name in (CONFIG, WEIGHTS)]
    return [(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns) for facts in found]


def _copy(source: Path, target: Path) -> Listed:
    sha256, size = hashlib.sha256(), 0
    with open(source, "rb", opener=_open_at_once) as reading, target.open("wb") as writing:
        if not stat.S_ISREG(os.fstat(reading.fileno()).st_mode):
            raise Refused(FileCode.NOT_REGULAR, f"{source} is not a regular file")
        while chunk := reading.read(READ_BYTES):
            sha256.update(chunk)
            size += len(chunk)
            writing.write(chunk)
    return Listed(sha256.hexdigest(), size)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # opening a pipe would wait for a writer


def _require_whole(path: Path, shown: Path) -> None:
    for name, missing in ((CONFIG, config_missing), (WEIGHTS, weights_missing)):
        with (path / name).open("rb") as file:
            lacks = missing(file.fileno(), os.fstat(file.fileno()).st_size)
        if lacks is not None:
            raise Refused(FileCode.INCOMPLETE, f"{shown / name} {lacks}")


def _meaning(directory: Path, error: OSError) -> Refused | Unavailable:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Refused(FileCode.INCOMPLETE, _lacking(directory))
    if isinstance(error, IsADirectoryError):
        return Refused(FileCode.NOT_REGULAR, f"{error.filename} is a directory, not a regular file")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _no_room(error)
    return Unavailable(WaitingCode.READ_FAILED, f"{directory} cannot be copied: {error.strerror}")


def _lacking(directory: Path) -> str:
    """Return why it is not an adapter, and which directories in it are."""
    if not directory.is_dir():
        return f"{directory} is not a directory on this machine"
    why = f"; {PICKLE} is never loaded: save it as safetensors" if (directory / PICKLE).exists() else ""
    below = adapters_in(directory)
    if below and not why:
        why = f", as {below}"
    return f"{directory} must hold {CONFIG} and {WEIGHTS}{why}"


def adapters_in(directory: Path) -> str:
    """Return, as half a sentence, which directories in this one are adapters; empty if none is."""
    below = [config.parent for config in directory.glob(f"*/{CONFIG}")]
    if len(below) > 1:
        return f"{len(below)} directories in it do"
    return f"{below[0]} does" if below else ""


def _no_room(error: OSError) -> Unavailable:
    sentence = f"there is no room for a temporary copy ({error.strerror}): free some, or set TMPDIR to another place"
    return Unavailable(WaitingCode.DISK_FULL, sentence)
