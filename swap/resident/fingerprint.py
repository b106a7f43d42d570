"""The fingerprint of a base, from the files of its checkpoint: no weight is loaded, and few bytes are read.

Values are compared as numbers, so a copy in other files or in a wider dtype has the same fingerprint; a model that was
trained on has another one, as has a quantised copy.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hotswapd.swap.adapter.fingerprints import make_fingerprint

_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"
_VALUES = 64
"""Values in a row that are read at the start, in the middle and at the end of each tensor."""
_LONGEST_HEADER = 100_000_000
_FLOATS = {"F64": (8, "d"), "F32": (4, "f"), "F16": (2, "e")}


def base_fingerprint(base: str, revision: str = "main") -> str:
    """Return the fingerprint of a base on this machine: a directory, or what was downloaded of a Hub model.

    Empty if its weights are not here, or are in no form that is known.
    """
    try:
        directory = _directory(base, revision)
        return _read(directory) if directory is not None else ""
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error):
        return ""  # whoever loads the base says what is wrong with it


def _directory(base: str, revision: str) -> Path | None:
    if os.path.isdir(base):  # noqa: PTH112 - Path.is_dir raises on odd names
        return Path(base)
    from transformers.utils.hub import cached_file  # late: a directory does not need it, and it takes a second

    found = cached_file(base, "config.json", revision=revision, local_files_only=True)
    return Path(found).parent if found else None


def _read(directory: Path) -> str:
    shapes, samples = hashlib.sha256(), hashlib.sha256()
    whole = sorted(_tensors(directory))
    for name, shape, values in whole:
        shapes.update(json.dumps([name, shape]).encode())
        samples.update(values)
    family = str(json.loads((directory / "config.json").read_bytes()).get("model_type", ""))
    return make_fingerprint(family, shapes.hexdigest(), samples.hexdigest()) if whole else ""


def _tensors(directory: Path) -> Iterator[tuple[str, list[int], bytes]]:
    """Yield each tensor's name and shape and the bytes that stand for its values."""
    if (directory / _INDEX).is_file():
        files: Iterable[str] = sorted(set(json.loads((directory / _INDEX).read_bytes())["weight_map"].values()))
    elif (directory / _SINGLE).is_file():
        files = (_SINGLE,)
    else:
        yield from map(_opaque, sorted((*directory.glob("pytorch_model*.bin"), *directory.glob("*.gguf"))))
        return
    for name in files:
        yield from _of_safetensors(directory / name)


def _opaque(path: Path) -> tuple[str, list[int], bytes]:
    """Treat a file that is not read, such as a pickle, as one tensor of bytes."""
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        return path.name, [size], b"".join(_pieces(file.fileno(), 0, size, 1 << 12))


def _of_safetensors(path: Path) -> Iterator[tuple[str, list[int], bytes]]:
    with path.open("rb", buffering=0) as file:
        length = int.from_bytes(os.pread(file.fileno(), 8, 0), "little")
        if length > _LONGEST_HEADER:
            raise ValueError("it is not a safetensors file")
        header: Mapping[str, Any] = json.loads(os.pread(file.fileno(), length, 8))
        for name, entry in header.items():
            if name != "__metadata__":
                yield name, entry["shape"], _values(file.fileno(), 8 + length, entry)


def _values(fd: int, start: int, entry: Mapping[str, Any]) -> bytes:
    """Read samples of a tensor, as float32 where they are floating-point numbers."""
    begin, end = entry["data_offsets"]
    width, _ = _FLOATS.get(entry["dtype"], (2, ""))
    raw = b"".join(_pieces(fd, start + begin, end - begin, _VALUES * width))
    if entry["dtype"] == "BF16":
        return b"".join(b"\0\0" + raw[at : at + 2] for at in range(0, len(raw), 2))
    if entry["dtype"] not in _FLOATS:
        return raw
    letter = _FLOATS[entry["dtype"]][1]
    count = len(raw) // width
    return struct.pack(f"<{count}f", *struct.unpack(f"<{count}{letter}", raw))


def _pieces(fd: int, start: int, size: int, piece: int) -> Iterator[bytes]:
    """Read the start, the middle and the end of some bytes; all of them if they are few."""
    if size <= 3 * piece:
        yield os.pread(fd, size, start)
        return
    for at in (0, size // piece // 2 * piece, size - piece):
        yield os.pread(fd, piece, start + at)
