"""The safetensors header: what the library writes is read alike, and every hostile structure is refused with a code."""

import json
import math
import struct
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kits.costs import unfrozen
from safetensors import deserialize
from safetensors.torch import save

from hotswapd.swap.adapter.header import (
    DTYPE_BITS,
    MAX_HEADER_BYTES,
    MAX_TENSORS,
    BadHeader,
    header_length,
    parse_header,
)

ENTRY = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def _read(data: bytes) -> dict[str, Any]:
    length = header_length(data[:8], len(data))
    return parse_header(data[8 : 8 + length], len(data) - 8 - length)


def _file(header: object, data: int = 24) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def _entry(**changes: object) -> dict[str, object]:
    return {"a": ENTRY | changes}


def _pair(first: list[int], second: list[int], **more: object) -> dict[str, object]:
    one = {"dtype": "U8", "shape": [first[1] - first[0]], "data_offsets": first}
    two = {"dtype": "U8", "shape": [second[1] - second[0]], "data_offsets": second}
    return {"a": one, "b": two, **more}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.float64])
def test_reads_what_the_library_writes(dtype: torch.dtype) -> None:
    """Names, shapes and bytes are those that safetensors itself wrote, with metadata and with padding."""
    tensors = {"x.lora_A": torch.ones(2, 5, dtype=dtype), "x.lora_B": torch.zeros(7, 2, dtype=dtype)}
    for metadata in (None, {"format": "pt"}):
        data = save(tensors, metadata)
        specs = _read(data)
        start = 8 + header_length(data, len(data))
        assert {name: spec.shape for name, spec in specs.items()} == {n: tuple(t.shape) for n, t in tensors.items()}
        for name, tensor in tensors.items():
            stored = data[start + specs[name].begin : start + specs[name].end]
            assert torch.equal(torch.frombuffer(bytearray(stored), dtype=dtype).reshape(tensor.shape), tensor)


@pytest.mark.parametrize(
    "header",
    [{}, {"__metadata__": {"format": "pt"}}, b"{}      "],
    ids=["no tensors", "metadata only", "padded with spaces"],
)
def test_an_empty_file_is_well_formed(header: object) -> None:
    """That nothing is in it is for admission to say."""
    assert _read(_file(header, data=0)) == {}


def test_every_dtype_has_its_size() -> None:
    """A tensor of 24 elements needs exactly its dtype's bits, packed, in every dtype that the format knows."""
    for dtype, bits in DTYPE_BITS.items():
        entry = {"a": {"dtype": dtype, "shape": [4, 6], "data_offsets": [0, 3 * bits]}}
        assert _read(_file(entry, data=3 * bits))["a"].dtype == dtype
        entry["a"]["data_offsets"] = [0, 3 * bits - 1]
        with pytest.raises(BadHeader):
            _read(_file(entry, data=3 * bits - 1))


_META = {"__metadata__": {"format": "pt"}}
_MANY = {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(MAX_TENSORS + 1)}
_MANY_TEXT = b"{" + b",".join(b'"%x":0' % n for n in range(MAX_TENSORS + 1)) + b"}"

REFUSED: dict[str, tuple[bytes, str]] = {
    # the file's frame
    "empty file": (b"", "header_truncated"),
    "seven bytes": (b"\x02\0\0\0\0\0\0", "header_truncated"),
    "length zero": (_file(b"", 0), "header_truncated"),
    "length one": (_file(b"{", 0), "header_truncated"),
    "all zero": (bytes(4096), "header_truncated"),
    "header cut short": (_file(_entry())[:40], "header_truncated"),
    "header longer than the file": (struct.pack("<Q", 5000) + b"{}", "header_truncated"),
    "header just over the limit": (_file(b"{" + b" " * MAX_HEADER_BYTES + b"}"), "header_too_large"),
    "length of 2**64-1": (b"\xff" * 8 + b"{}", "header_too_large"),
    "length of 2**63": (struct.pack("<Q", 1 << 63) + b"{}", "header_too_large"),
    "a pickle": (b"\x80\x04\x95" + bytes(64), "header_too_large"),
    "a zip": (b"PK\x03\x04\x14\0\0\x08" + bytes(64), "header_too_large"),
    "a web page": (b"<!DOCTYPE html><html></html>", "header_too_large"),
    "a git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "header_too_large"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(60), "header_too_large"),
    # the text
    "not UTF-8": (_file(b'{"\xff\xfe": 1}'), "header_not_utf8"),
    "half a surrogate pair in a name": (_file(rb'{"\ud800": 1}'), "header_not_utf8"),
    "not JSON": (_file(b"{a: 1}"), "header_not_json"),
    "cut JSON": (_file(b'{"a": {"dtype": "F32"'), "header_not_json"),
    "a list": (_file(b"[]", 0), "header_not_json"),
    "a text": (_file(b'"a"', 0), "header_not_json"),
    "leading space": (_file(b" " + json.dumps(_entry()).encode()), "header_not_json"),
    "trailing bytes after the object": (_file(json.dumps(_entry()).encode() + b"\0"), "header_not_json"),
    "deep": (_file(b'{"a":' * 100_000), "header_too_deep"),
    "5,000 digits": (_file(b'{"a":{"dtype":"F32","shape":[' + b"1" * 5000 + b"]}}"), "header_bad_number"),
    "NaN in a shape": (_file(_entry(shape=[float("nan")])), "header_bad_number"),
    "the same name twice": (_file(b'{"a":%b,"a":%b}' % ((json.dumps(ENTRY).encode(),) * 2)), "header_duplicate_key"),
    # the metadata
    "metadata is a list": (_file({"__metadata__": []}, 0), "header_metadata"),
    "metadata is null": (_file({"__metadata__": None}, 0), "header_metadata"),
    "metadata holds a number": (_file({"__metadata__": {"a": 1}}, 0), "header_metadata"),
    "metadata nests": (_file({"__metadata__": {"a": {}}}, 0), "header_metadata"),
    # the entries
    "too many tensors": (_file(_MANY_TEXT, 0), "header_too_many"),
    "empty name": (_file({"": ENTRY}), "header_name"),
    "a name with NUL": (_file({"a\0b": ENTRY}), "header_name"),
    "a name with an escape sequence": (_file({"a\x1b[2Jb": ENTRY}), "header_name"),
    "a name with a direction override": (_file({"a\u202eb": ENTRY}), "header_name"),
    "entry is null": (_file({"a": None}), "header_entry"),
    "entry is a list": (_file({"a": ["F32", [2, 3], [0, 24]]}), "header_entry"),
    "no dtype": (_file({"a": {"shape": [2, 3], "data_offsets": [0, 24]}}), "header_entry"),
    "no shape": (_file({"a": {"dtype": "F32", "data_offsets": [0, 24]}}), "header_entry"),
    "no offsets": (_file({"a": {"dtype": "F32", "shape": [2, 3]}}), "header_entry"),
    "an extra field": (_file(_entry(strides=[3, 1])), "header_entry"),
    "unknown dtype": (_file(_entry(dtype="F31")), "header_dtype"),
    "small letters in the dtype": (_file(_entry(dtype="f32")), "header_dtype"),
    "dtype is a number": (_file(_entry(dtype=32)), "header_dtype"),
    "dtype is a list": (_file(_entry(dtype=["F32"])), "header_dtype"),
    "shape is a number": (_file(_entry(shape=6)), "header_shape"),
    "shape is negative": (_file(_entry(shape=[-2, -3])), "header_shape"),
    "shape has a fraction": (_file(_entry(shape=[2.0, 3])), "header_shape"),
    "shape has true": (_file(_entry(shape=[True, 6])), "header_shape"),
    "nine dimensions": (_file(_entry(shape=[2, 3] + [1] * 7)), "header_shape"),
    "offsets are three": (_file(_entry(data_offsets=[0, 24, 24])), "header_offsets"),
    "offsets are negative": (_file(_entry(data_offsets=[-24, 0])), "header_offsets"),
    "offsets are reversed": (_file(_entry(data_offsets=[24, 0])), "header_offsets"),
    "offsets have true": (_file(_entry(shape=[], data_offsets=[False, 4]), 4), "header_offsets"),
    "shape is larger than its bytes": (_file(_entry(shape=[2, 4])), "header_offsets"),
    "shape is smaller than its bytes": (_file(_entry(shape=[2, 2])), "header_offsets"),
    "shape overflows 64 bits to fit": (
        _file(_entry(shape=[1 << 32, 1 << 32, 24], data_offsets=[0, 0]), 0),
        "header_offsets",
    ),
    "a scalar of no bytes": (_file(_entry(shape=[], data_offsets=[0, 0]), 0), "header_offsets"),
    "half a byte": (_file(_entry(dtype="F4", shape=[3], data_offsets=[0, 1]), 1), "header_offsets"),
    # the data
    "a hole at the start": (_file(_entry(data_offsets=[8, 32]), 32), "header_coverage"),
    "a hole in the middle": (_file(_pair([0, 8], [16, 24])), "header_coverage"),
    "an overlap": (_file(_pair([0, 16], [8, 24])), "header_coverage"),
    "the same bytes twice": (_file(_pair([0, 24], [0, 24])), "header_coverage"),
    "bytes at the end": (_file(_entry(), 25), "header_length"),
    "data cut short": (_file(_entry(), 23), "header_length"),
    "offsets far beyond the file": (_file(_entry(shape=[1 << 40], data_offsets=[0, 4 << 40])), "header_length"),
    "data with no tensor": (_file(_META, 24), "header_length"),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(data: bytes, code: str) -> None:
    """Each structure has its code, one sentence and a place, with little work."""
    with unfrozen(), pytest.raises(BadHeader) as caught:
        _read(data)
    assert (caught.value.code, bool(str(caught.value)), bool(caught.value.place) or code == "header_name") == (
        code,
        True,
        True,
    )


def test_tensors_without_elements_are_no_hole() -> None:
    """An empty tensor between two others covers nothing and hides nothing."""
    entry = {"dtype": "F32", "shape": [0, 1 << 40], "data_offsets": [8, 8]}
    assert list(_read(_file(_pair([0, 8], [8, 24], empty=entry)))) == ["a", "b", "empty"]


def test_the_most_tensors_that_fit_freeze_nothing() -> None:
    """A header at the limits of size and count is settled with little work."""
    names = list(_MANY)[: MAX_HEADER_BYTES // 60]
    text = json.dumps({name: _MANY[name] for name in names}, separators=(",", ":")).encode()
    with unfrozen():
        assert len(_read(_file(text, 0))) == len(names)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_are_read_or_refused(text: bytes, data: int) -> None:
    """Whatever the bytes are, no other exception than BadHeader comes out."""
    try:
        specs = _read(_file(b"{" + text, data))
    except BadHeader as error:
        assert error.code.startswith("header_")
    else:
        assert all(0 <= spec.begin <= spec.end <= data for spec in specs.values())


_number = st.integers(0, 40) | st.sampled_from([-1, 1 << 63, 1.5, True, None])
_entry_like = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "U8", "BOOL", "F4", "X1"]),
        "shape": st.lists(st.integers(0, 4), max_size=3) | st.lists(_number, max_size=3),
        "data_offsets": st.tuples(st.integers(0, 24), st.integers(0, 24)).map(sorted) | st.lists(_number, max_size=3),
    }
)


def _theirs(whole: bytes) -> dict[str, Any]:
    """Read the header as the library does."""
    return dict(deserialize(whole))  # type: ignore[no-untyped-call]


@given(st.dictionaries(st.sampled_from("abc"), _entry_like, max_size=3), st.integers(0, 24))
@settings(max_examples=400)
def test_what_is_read_is_what_the_library_reads(header: dict[str, Any], data: int) -> None:
    """Being stricter is all the difference: whatever is accepted, safetensors accepts and describes alike."""
    whole = _file(header, data)
    try:
        specs = _read(whole)
    except BadHeader:
        return
    theirs = _theirs(whole)
    assert {name: (s.dtype, list(s.shape)) for name, s in specs.items()} == {
        name: (entry["dtype"], entry["shape"]) for name, entry in theirs.items()
    }


@given(st.lists(st.tuples(st.sampled_from(["F32", "BF16", "U8"]), st.lists(st.integers(0, 4), max_size=3))), st.data())
def test_every_sound_layout_is_read_as_the_library_reads_it(tensors: list[Any], draw: st.DataObject) -> None:
    """Tensors may be named in any order, whatever order their data has."""
    entries, reached = [], 0
    for place, (dtype, shape) in enumerate(tensors):
        end = reached + math.prod(shape) * DTYPE_BITS[dtype] // 8
        entries.append((f"t{place}", {"dtype": dtype, "shape": shape, "data_offsets": [reached, end]}))
        reached = end
    whole = _file(dict(draw.draw(st.permutations(entries))), reached)
    assert {name: (s.dtype, list(s.shape)) for name, s in _read(whole).items()} == {
        name: (entry["dtype"], entry["shape"]) for name, entry in _theirs(whole).items()
    }
