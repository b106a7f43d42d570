"""The manifest: what the two files of an artifact declare. No tensor is read, and nothing is imported from it."""

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hotswapd.codes import Code
from hotswapd.swap.codes import FilesCode
from hotswapd.swap.errors import Misfit, Rejected

from .header import BadHeader, TensorSpec, header_length, parse_header
from .look_alikes import LFS_POINTER, called_what_it_is, lfs_pointer
from .strict_json import BadJSON, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"
PUBLISHED_NAME = "hotswapd_manifest.json"
MAX_CONFIG_BYTES = 256 << 10
_MAX_PUBLISHED_BYTES = 64 << 10
_RESAVE = "save the adapter again with PEFT's save_pretrained"
_OF_THE_FILE = {0, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG}
"""Errors that mean that the file cannot be an adapter's. Every other one is not a verdict on what the file holds."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`config` is the JSON object as it was written; `data_start` is the offset of the tensors' bytes in the file.

    `base_fingerprint` is that of the base that it was published for, if whoever published it wrote one beside it.
    """

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorSpec]
    data_start: int
    file_size: int
    base_fingerprint: str = ""

    @property
    def weights(self) -> Path:
        """The file that holds the tensors."""
        return self.path / WEIGHTS_NAME


def read_manifest(directory: Path) -> Manifest:
    """Read what both files declare. Raises Rejected with a reason for each file that cannot be an adapter's.

    Raises OSError when a file cannot be read now, because of the disk or of this process.
    """
    misfits: list[Misfit] = []
    config: Mapping[str, Any] = {}
    header: tuple[dict[str, TensorSpec], int, int] = ({}, 0, 0)
    try:
        config = _read_config(directory)
    except Rejected as error:
        misfits += error.misfits
    try:
        header = _read_header(directory)
    except Rejected as error:
        misfits += error.misfits
    if misfits:
        raise Rejected(called_what_it_is(directory, misfits))
    return Manifest(directory, config, *header, _read_fingerprint(directory))


@contextmanager
def open_regular(path: Path) -> "Iterator[int]":
    """Open a plain file for reading: no link is followed, and nothing is opened that could block. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _read_config(directory: Path) -> Mapping[str, Any]:
    try:
        with open_regular(directory / CONFIG_NAME) as descriptor:
            data = os.read(descriptor, MAX_CONFIG_BYTES + 1)
    except OSError as error:
        if error.errno not in _OF_THE_FILE:
            raise
        raise _one(FilesCode.CONFIG_MISSING, CONFIG_NAME, "a readable file", _reason(error), _RESAVE) from None
    if data.startswith(LFS_POINTER):
        raise Rejected([lfs_pointer(CONFIG_NAME)])
    if len(data) > MAX_CONFIG_BYTES:
        raise _one(FilesCode.CONFIG_TOO_LARGE, CONFIG_NAME, f"at most {MAX_CONFIG_BYTES} bytes", "more", _RESAVE)
    try:
        config = parse(data)
    except BadJSON as error:
        raise _one(FilesCode(f"config_{error.fault}"), CONFIG_NAME, "strict JSON", str(error), _RESAVE) from None
    if not isinstance(config, dict):
        raise _one(FilesCode.CONFIG_NOT_JSON, CONFIG_NAME, "a JSON object", f"a {type(config).__name__}", _RESAVE)
    return config


def _read_header(directory: Path) -> tuple[dict[str, TensorSpec], int, int]:
    try:
        with open_regular(directory / WEIGHTS_NAME) as descriptor:
            size = os.fstat(descriptor).st_size
            if os.pread(descriptor, len(LFS_POINTER), 0) == LFS_POINTER:
                raise Rejected([lfs_pointer(WEIGHTS_NAME)])
            length = header_length(os.pread(descriptor, 8, 0), size)
            data = os.pread(descriptor, length, 8)
            return parse_header(data, size - 8 - length), 8 + length, size
    except BadHeader as error:
        place = WEIGHTS_NAME if error.place == "header" else error.place
        raise _one(error.code, place, "a well-formed safetensors file", str(error), _RESAVE) from None
    except OSError as error:
        if error.errno not in _OF_THE_FILE:
            raise
        raise _one(FilesCode.WEIGHTS_MISSING, WEIGHTS_NAME, "a readable file", _reason(error), _RESAVE) from None


def _read_fingerprint(directory: Path) -> str:
    """Read what `publish` wrote beside the two files; a source judges that file itself, so here it only may help."""
    try:
        with open_regular(directory / PUBLISHED_NAME) as descriptor:
            published = parse(os.read(descriptor, _MAX_PUBLISHED_BYTES))
    except (OSError, BadJSON):
        return ""
    found = published.get("base_fingerprint") if isinstance(published, dict) else None
    return found if isinstance(found, str) else ""


def _reason(error: OSError) -> str:
    return "a symbolic link, which is not followed" if error.errno == errno.ELOOP else error.strerror or str(error)


def _one(code: Code, place: str, wanted: str, got: str, remedy: str) -> Rejected:
    return Rejected([Misfit(code, place, wanted, got, remedy)])
