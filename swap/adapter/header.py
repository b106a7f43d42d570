"""The safetensors header, read more strictly than the library reads it.

safetensors 0.8 accepts duplicate names (the last wins), unknown fields, leading white space and 600,000 empty
tensors; no training job writes any of these on purpose. Format: 8 bytes little-endian header
length, a JSON object, the data (https://huggingface.co/docs/safetensors).
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

from hotswapd.swap.codes import HeaderCode

from .strict_json import BadJSON, parse

MAX_HEADER_BYTES = 1 << 20
MAX_TENSORS = 20_000

# Bits, since F4 and F6 types pack several values into a byte.
DTYPE_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
}


class BadHeader(ValueError):
    """The header is not acceptable. `place` is a tensor's name or ``header``."""

    def __init__(self, code: HeaderCode, place: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.place = place


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor as the header describes it; `begin` and `end` are bytes from the start of the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def header_length(first_bytes: bytes, file_size: int) -> int:
    """Read the length of the header from the file's first 8 bytes."""
    if len(first_bytes) < 8:
        raise BadHeader(HeaderCode.TRUNCATED, "header", f"the file has {file_size} bytes, too few for a header")
    (length,) = struct.unpack("<Q", first_bytes[:8])
    if length > MAX_HEADER_BYTES:
        raise BadHeader(HeaderCode.TOO_LARGE, "header", f"the header says {length} bytes, {MAX_HEADER_BYTES} is most")
    if length < 2 or 8 + length > file_size:
        raise BadHeader(
            HeaderCode.TRUNCATED, "header", f"the header says it has {length} bytes, the file has {file_size} in all"
        )
    return int(length)


def parse_header(header: bytes, data_size: int) -> dict[str, TensorSpec]:
    """Read where the tensors are. They must follow one another without hole or overlap and fill `data_size` exactly."""
    if not header.startswith(b"{"):
        raise BadHeader(HeaderCode.NOT_JSON, "header", "the header does not begin with a brace")
    try:
        entries = parse(header)
    except BadJSON as error:
        raise BadHeader(HeaderCode(f"header_{error.fault}"), "header", f"the header is refused: {error}") from None
    _check_metadata(entries.pop("__metadata__", {}))
    if len(entries) > MAX_TENSORS:
        raise BadHeader(HeaderCode.TOO_MANY, "header", f"it names {len(entries)} tensors, {MAX_TENSORS} is most")
    specs = [_spec(name, entry) for name, entry in entries.items()]
    _check_coverage(specs, data_size)
    return {spec.name: spec for spec in specs}


def _check_metadata(metadata: Any) -> None:
    plain = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    if not plain:
        raise BadHeader(HeaderCode.METADATA, "__metadata__", "the metadata is not a map from text to text")


def _spec(name: str, entry: Any) -> TensorSpec:
    shown = name[:200]
    if not name or not name.isprintable():
        raise BadHeader(HeaderCode.NAME, shown, "the tensor's name is empty or has control characters")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise BadHeader(HeaderCode.ENTRY, shown, "its entry must have exactly dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise BadHeader(HeaderCode.DTYPE, shown, f"the dtype {str(dtype)[:40]!r} is unknown")
    if not _naturals(shape) or len(shape) > 8:
        raise BadHeader(HeaderCode.SHAPE, shown, "the shape is not a list of at most 8 natural numbers")
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise BadHeader(HeaderCode.OFFSETS, shown, "data_offsets is not a pair of rising natural numbers")
    if math.prod(shape) * DTYPE_BITS[dtype] != (offsets[1] - offsets[0]) * 8:
        raise BadHeader(HeaderCode.OFFSETS, shown, "the bytes between its offsets do not fit its shape and dtype")
    return TensorSpec(name, dtype, tuple(shape), offsets[0], offsets[1])


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and number >= 0 for number in value)


def _check_coverage(specs: list[TensorSpec], data_size: int) -> None:
    reached = 0
    for spec in sorted(specs, key=lambda one: (one.begin, one.end)):
        if spec.begin != reached:
            what = "overlaps another tensor" if spec.begin < reached else "leaves a hole before it"
            raise BadHeader(HeaderCode.COVERAGE, spec.name[:200], f"its data {what}")
        reached = spec.end
    if reached != data_size:
        short = "is cut short" if reached > data_size else "has bytes that no tensor owns"
        raise BadHeader(
            HeaderCode.LENGTH,
            "header",
            f"the file {short}: its tensors need {reached} bytes of data, it has {data_size}",
        )
