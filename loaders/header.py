"""Tell a file that is still being written from a whole one, without reading its tensors.

What is whole but wrong is let through: admission refuses it with a precise reason, waiting never would.
"""

import json
import os
import re

MAX_CONFIG_BYTES = 256 << 10
# safetensors itself takes no longer header; we read only as much as a real one has.
_MAX_HEADER = 100_000_000
_MAX_READ = 16 << 20
# A search is some ten times faster than parsing, and a scan may meet thousands of files at once.
_DATA_END = re.compile(rb'"data_offsets"\s*:\s*\[\s*\d{1,19}\s*,\s*(\d{1,19})\s*\]')


def weights_missing(fd: int, size: int) -> str | None:
    """Say in half a sentence what a safetensors file of `size` bytes still lacks, or return None."""
    if size < 8:
        return f"has {size} bytes and not even a header yet"
    length = int.from_bytes(os.pread(fd, 8, 0), "little")
    if length == 0:
        return "starts with zeros: its header has not been written yet"
    if length > _MAX_HEADER:
        return None
    if 8 + length > size:
        return f"has {size} bytes and its header alone needs {8 + length}"
    if length > _MAX_READ:
        return None
    return _data_missing(os.pread(fd, length, 8), 8 + length, size)


def _data_missing(header: bytes, start: int, size: int) -> str | None:
    if b"\0" in header:
        return "has zeros in its header: it has not been written yet"
    wanted = start + max((int(end) for end in _DATA_END.findall(header)), default=0)
    if wanted > size:
        return f"has {size} bytes and its header announces {wanted}"
    return None


def config_missing(fd: int, size: int) -> str | None:
    """Say in half a sentence why a config of `size` bytes is not whole yet, or return None."""
    if size > MAX_CONFIG_BYTES:
        return None
    try:
        json.loads(os.pread(fd, size, 0))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return f"does not parse as JSON yet ({error})"
    except (ValueError, RecursionError):
        return None
    return None
