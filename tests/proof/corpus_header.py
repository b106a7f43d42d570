"""Files that are not safetensors, or that no training job would write: structure only, whatever the values."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kits.folders import WEIGHTS

from .corpus import Bad, Spoil, waits

Entries = dict[str, Any]


def split(file: bytes) -> tuple[bytes, bytes]:
    """Split a safetensors file into the header's text and the data."""
    end = 8 + int.from_bytes(file[:8], "little")
    return file[8:end], file[end:]


def join(header: bytes, data: bytes, length: int | None = None) -> bytes:
    """Put a file together; `length` is what it says of its header, if that is not true."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def is_now(content: bytes) -> Spoil:
    """Make the weights file these bytes."""
    return lambda adapter: _write(adapter, content)


def becomes(change: Callable[[bytes, bytes], bytes]) -> Spoil:
    """Make the weights file what the function makes of its header and its data."""
    return lambda adapter: _write(adapter, change(*split((adapter / WEIGHTS).read_bytes())))


def entries(change: Callable[[Entries], object]) -> Spoil:
    """Change the header's object in place, or return what takes its place; the data stays."""

    def build(header: bytes, data: bytes) -> bytes:
        parsed = json.loads(header)
        changed = change(parsed)
        return join(json.dumps(parsed if changed is None else changed).encode(), data)

    return becomes(build)


def first(change: Callable[[Entries], object]) -> Spoil:
    """Change the entry of the tensor whose data comes first, in place."""
    return _entry(0, change)


def last(change: Callable[[Entries], object]) -> Spoil:
    """Change the entry of the tensor whose data comes last, in place."""
    return _entry(-1, change)


def renamed(name: str) -> Spoil:
    """Give the first tensor another name."""

    def change(parsed: Entries) -> None:
        old = next(key for key in parsed if key != "__metadata__")
        parsed[name] = parsed.pop(old)

    return entries(change)


def _entry(place: int, change: Callable[[Entries], object]) -> Spoil:
    def edit(parsed: Entries) -> None:
        change(_ordered(parsed)[place])

    return entries(edit)


def _write(adapter: Path, content: bytes) -> None:
    (adapter / WEIGHTS).write_bytes(content)


def _ordered(parsed: Entries) -> list[Entries]:
    found = [entry for name, entry in parsed.items() if name != "__metadata__"]
    return sorted(found, key=lambda entry: entry["data_offsets"])


def _twice(header: bytes, data: bytes) -> bytes:
    """Name the first tensor twice, the second time with the data of the second one."""
    parsed = json.loads(header)
    names = [name for name in parsed if name != "__metadata__"]
    again = json.dumps({names[0]: parsed[names[0]]})[1:-1]
    return join(header.rstrip()[:-1] + b", " + again.encode() + b"}", data)


def _hole(parsed: Entries) -> None:
    """Leave eight bytes that nobody owns before the last tensor, which becomes that much shorter."""
    entry = _ordered(parsed)[-1]
    begin, end = entry["data_offsets"]
    entry["data_offsets"] = [begin + 8, end]
    entry["shape"] = [(end - begin - 8) // 4]


def _overlap(parsed: Entries) -> None:
    entry = _ordered(parsed)[-1]
    begin, end = entry["data_offsets"]
    entry["data_offsets"] = [begin - 8, end]
    entry["shape"] = [(end - begin + 8) // 4]


def _same_bytes(parsed: Entries) -> None:
    one, other = _ordered(parsed)[:2]
    other["data_offsets"], other["shape"] = one["data_offsets"], one["shape"]


def _no_bytes(count: int) -> bytes:
    """Make a header of so many tensors that have no data."""
    return b"{" + b",".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % n for n in range(count)) + b"}"


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
    return file.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4" * 64 + b"\nsize 53413\n"
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>" + b"x" * 500 + b"</body></html>"
DEEP = b'{"a":' * 100 + b"1" + b"}" * 100
ENTRY = b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
HEADERS = [
    waits("empty_file", is_now(b"")),
    waits("seven_bytes", is_now(b"\x10\0\0\0\0\0\0")),
    waits("length_only", is_now(struct.pack("<Q", 1000))),
    waits("zero_length", becomes(lambda h, d: join(h, d, 0))),
    waits("all_zero_bytes", is_now(bytes(20_000))),
    waits("length_beyond_the_file", becomes(lambda h, d: join(h, d, 8 + len(h) + len(d)))),
    waits("zeros_in_the_header", becomes(lambda h, d: join(h[:200] + bytes(len(h) - 200), d))),
    waits("data_cut_short", becomes(lambda h, d: join(h, d[:-1]))),
    waits("data_missing", becomes(lambda h, d: join(h, b""))),
    Bad("length_one", becomes(lambda h, d: join(h, d, 1)), "header_truncated"),
    Bad("length_of_all_ones", becomes(lambda h, d: join(h, d, (1 << 64) - 1)), "header_too_large"),
    Bad("length_sign_bit", becomes(lambda h, d: join(h, d, 1 << 63)), "header_too_large"),
    Bad("length_of_100_mb", becomes(lambda h, d: join(h, d, 100_000_001)), "header_too_large"),
    Bad("header_padded_to_2_mib", becomes(lambda h, d: join(h.rstrip() + b" " * (2 << 20), d)), "header_too_large"),
    Bad("600000_empty_tensors", becomes(lambda _, __: join(_no_bytes(600_000), b"")), "header_too_large"),
    Bad("20001_empty_tensors", is_now(join(_no_bytes(20_001), b"")), "header_too_large"),
    Bad("length_short_of_the_header", becomes(lambda h, d: join(h, d, len(h) // 2)), "header_not_json"),
    Bad("not_json", is_now(join(b"{this is no JSON at all}", b"")), "header_not_json"),
    Bad("a_list", is_now(join(b"[]" + b" " * 6, b"")), "header_not_json"),
    Bad("leading_space", becomes(lambda h, d: join(b"        " + h, d)), "header_not_json"),
    Bad("text_after_the_header", becomes(lambda h, d: join(h.rstrip() + b"abcd", d)), "header_not_json"),
    Bad("single_quotes", becomes(lambda h, d: join(h.replace(b'"', b"'"), d)), "header_not_json"),
    Bad("not_utf8", becomes(lambda h, d: join(h.replace(b"lora_A", b"lor\xff_A", 1), d)), "header_not_utf8"),
    Bad("half_a_surrogate_pair", renamed("\ud800"), "header_not_utf8"),
    Bad("byte_order_mark", becomes(lambda h, d: join(b"\xef\xbb\xbf" + h, d)), "header_not_json"),
    Bad("utf16", is_now(join('{"a": 1}'.encode("utf-16-be").replace(b"\0", b"\x01"), b"")), "header_not_json"),
    Bad("nested_100_deep", is_now(join(DEEP, b"")), "header_too_deep"),
    Bad("tensor_named_twice", becomes(_twice), "header_duplicate_key"),
    Bad(
        "shape_named_twice",
        becomes(lambda h, d: join(h.replace(b'"shape"', b'"shape":[1],"shape"', 1), d)),
        "header_duplicate_key",
    ),
    Bad("not_a_number", first(lambda e: e.update(shape=[float("nan")])), "header_bad_number"),
    Bad("metadata_not_text", entries(lambda p: p.update(__metadata__={"epoch": 3})), "header_metadata"),
    Bad("metadata_a_list", entries(lambda p: p.update(__metadata__=["pt"])), "header_metadata"),
    Bad("extra_field", first(lambda e: e.update(device="cuda")), "header_entry"),
    Bad("no_dtype", first(lambda e: e.pop("dtype")), "header_entry"),
    Bad("no_offsets", first(lambda e: e.pop("data_offsets")), "header_entry"),
    Bad("entry_is_text", entries(lambda p: p.update(x="tensor")), "header_entry"),
    Bad("unknown_dtype", first(lambda e: e.update(dtype="F12")), "header_dtype"),
    Bad("dtype_a_number", first(lambda e: e.update(dtype=32)), "header_dtype"),
    Bad("negative_shape", first(lambda e: e.update(shape=[-4, -48])), "header_shape"),
    Bad("fractional_shape", first(lambda e: e.update(shape=[4.0, 48])), "header_shape"),
    Bad("shape_of_text", first(lambda e: e.update(shape="4x48")), "header_shape"),
    Bad("shape_of_booleans", first(lambda e: e.update(shape=[True, 192])), "header_shape"),
    Bad("nine_dimensions", first(lambda e: e.update(shape=[1] * 7 + e["shape"])), "header_shape"),
    Bad("shape_that_overflows", first(lambda e: e.update(shape=[1 << 40, 1 << 40])), "header_offsets"),
    Bad("empty_but_large_shape", first(lambda e: e.update(shape=[0, 1 << 40])), "header_offsets"),
    Bad("reversed_offsets", first(lambda e: e.update(data_offsets=e["data_offsets"][::-1])), "header_offsets"),
    Bad("negative_offsets", first(lambda e: e.update(data_offsets=[-768, 0])), "header_offsets"),
    Bad("three_offsets", first(lambda e: e["data_offsets"].append(0)), "header_offsets"),
    Bad("fewer_bytes_than_the_shape", first(lambda e: e.update(shape=[8, 48])), "header_offsets"),
    Bad("21_digit_offset", last(lambda e: e.update(data_offsets=[0, 10**20])), "header_bad_number"),
    waits("offset_near_2_to_the_63", last(lambda e: e.update(data_offsets=[0, (1 << 63) - 1]))),
    Bad("hole_in_the_data", entries(_hole), "header_coverage"),
    Bad("overlapping_data", entries(_overlap), "header_coverage"),
    Bad("two_tensors_of_the_same_bytes", entries(_same_bytes), "header_coverage"),
    Bad("bytes_after_the_data", becomes(lambda h, d: join(h, d + b"appended")), "header_length"),
    Bad("empty_name", renamed(""), "header_name"),
    Bad("name_with_a_zero_byte", renamed("a\0b"), "header_name"),
    Bad("name_that_climbs", renamed("../../../../etc/passwd"), "unknown_target"),
    Bad("name_of_100000_characters", renamed("x" * 100_000), "unknown_target"),
    Bad("no_tensors", is_now(join(b"{}" + b" " * 6, b"")), "no_tensors"),
    Bad("metadata_only", is_now(join(b'{"__metadata__":{"format":"pt"}}', b"")), "no_tensors"),
    Bad("a_scalar", is_now(join(b'{"x":' + ENTRY.replace(b"[1]", b"[]") + b"}", bytes(4))), "unknown_target"),
    Bad("pickle_under_the_name", is_now(pickle.dumps({"a": [1.0] * 500})), "header_too_large"),
    Bad("zip_archive", is_now(_zip()), "header_too_large"),
    Bad("sign_in_page", is_now(PAGE), "header_too_large"),
    Bad("git_lfs_pointer", is_now(POINTER), "git_lfs_pointer"),
    Bad("gguf_file", is_now(b"GGUF\3\0\0\0" + bytes(1000)), "header_too_large"),
]
