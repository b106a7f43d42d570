"""Tell a file that is still being written from a whole one, without reading its tensors.

A file that is whole but wrong passes: admission refuses it with a precise reason, whereas it would wait for ever.
"""

import json
import os
import re
from collections.abc import Callable, Collection

from .codes import WaitingCode
from .files import CONFIG, MAX_CONFIG_BYTES, PICKLE, WEIGHTS
from .source import Waiting

# safetensors does not take a longer header; we read only as much as real adapters have.
_MAX_HEADER = 100_000_000
_MAX_READ = 16 << 20
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""What a file begins with whose content Git LFS has not fetched."""
# A search is some ten times faster than parsing, and a scan may meet thousands of files at once.
_DATA_END = re.compile(rb'"data_offsets"\s*:\s*\[\s*\d{1,19}\s*,\s*(\d{1,19})\s*\]')


def files_missing(names: Collection[str], marker: str = "", where: str = "there yet") -> Waiting | None:
    """Return why a directory with files of these names is not an adapter yet, or None if it is one.

    It waits as ``incomplete`` for the config and the weights, then as ``marker_missing`` for `marker`, if one is set.
    `where` ends the sentence "adapter_config.json is not ...".
    """
    missing = next((name for name in (CONFIG, WEIGHTS) if name not in names), None)
    if missing is not None:
        pickled = WEIGHTS not in names and PICKLE in names
        why = f"; {PICKLE} is never loaded: save it as safetensors" if pickled else ""
        return Waiting(WaitingCode.INCOMPLETE, f"{missing} is not {where}{why}")
    if marker and marker not in names:
        return Waiting(WaitingCode.MARKER_MISSING, f"{marker} is not there yet: the writer must make it last")
    return None


def weights_missing(fd: int, size: int) -> str | None:
    """Return, as half a sentence, what a safetensors file of `size` bytes still lacks, or None."""
    return weights_lacking(lambda length, offset: os.pread(fd, length, offset), size)


def weights_lacking(read: Callable[[int, int], bytes], size: int) -> str | None:
    """Return the same for bytes that are elsewhere: `read(length, offset)` returns some of them."""
    if size < 8:
        return f"has {size} bytes and not even a header yet"
    length = int.from_bytes(read(8, 0), "little")
    if length == 0:
        return "starts with zeros: its header has not been written yet"
    if length > _MAX_HEADER:
        return None
    if 8 + length > size:
        return f"has {size} bytes and its header alone needs {8 + length}"
    if length > _MAX_READ:
        return None
    return _data_missing(read(length, 8), 8 + length, size)


def _data_missing(header: bytes, start: int, size: int) -> str | None:
    if b"\0" in header:
        return "has zeros in its header: it has not been written yet"
    wanted = start + max((int(end) for end in _DATA_END.findall(header)), default=0)
    if wanted > size:
        return f"has {size} bytes and its header announces {wanted}"
    return None


def config_missing(fd: int, size: int) -> str | None:
    """Return, as half a sentence, why a config of `size` bytes is not whole yet, or None."""
    return None if size > MAX_CONFIG_BYTES else config_lacking(os.pread(fd, size, 0))


def config_lacking(raw: bytes) -> str | None:
    """Return the same for a config's bytes. A Git LFS pointer is whole: admission calls it what it is."""
    if raw.startswith(LFS_POINTER):
        return None
    try:
        json.loads(raw)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return f"does not parse as JSON yet ({error})"
    except (ValueError, RecursionError):
        return None
    return None
