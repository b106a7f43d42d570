"""Strict JSON: what a training job writes is read, anything odd is refused with a code, and nothing hangs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kits.costs import unfrozen

from hotswapd.swap.adapter.strict_json import MAX_DEPTH, BadJSON, parse

_text = st.text(st.characters(exclude_categories=["Cs"]))
_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)


@given(_plain)
def test_reads_back_what_the_standard_library_writes(value: object) -> None:
    """Whatever json.dumps writes, parse reads, escaped or not."""
    for ascii_only in (True, False):
        assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_either_parse_or_are_refused(data: bytes) -> None:
    """No input ends in another exception than BadJSON, and what parses is also JSON for the standard library."""
    try:
        value = parse(data)
    except BadJSON as error:
        assert error.fault in {"not_utf8", "not_json", "too_deep", "duplicate_key", "bad_number"}
    else:
        assert json.loads(data) == value


REFUSED = {
    "empty": (b"", "not_json"),
    "half": (b'{"r": 8', "not_json"),
    "two documents": (b"{} {}", "not_json"),
    "trailing comma": (b'{"r": 8,}', "not_json"),
    "comment": (b'{"r": 8} // rank', "not_json"),
    "closing brackets first": (b"]" * 50 + b"[" * 50, "not_json"),
    "control character in a string": (b'"a\nb"', "not_json"),
    "unquoted quote": (b'"\\"', "not_json"),
    "byte order mark": (b"\xef\xbb\xbf{}", "not_utf8"),
    "latin-1": ('"é"'.encode("latin-1"), "not_utf8"),
    "utf-16": ("{}".encode("utf-16"), "not_utf8"),
    "encoded surrogate": (b'"\xed\xa0\x80"', "not_utf8"),
    "half a surrogate pair": (rb'{"a": ["\ud800"]}', "not_utf8"),
    "half a surrogate pair as key": (rb'{"\udfff": 1}', "not_utf8"),
    "duplicate key": (b'{"r": 8, "r": 64}', "duplicate_key"),
    "duplicate key by escape": (rb'{"r": 8, "\u0072": 64}', "duplicate_key"),
    "duplicate key deep down": (b'[{"x": {"a": 1, "b": 2, "a": 1}}]', "duplicate_key"),
    "NaN": (b'{"lora_alpha": NaN}', "bad_number"),
    "Infinity": (b"Infinity", "bad_number"),
    "minus Infinity": (b"[-Infinity]", "bad_number"),
    "overflowing float": (b"1e999", "bad_number"),
    "negative overflowing float": (b"-1e999", "bad_number"),
    "5,000 digits": (b"9" * 5000, "bad_number"),
    "5,000 digits, negative": (b"[-" + b"9" * 5000 + b"]", "bad_number"),
    "one bracket too deep": (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "too_deep"),
    "deep objects": (b'{"a":' * 100_000, "too_deep"),
    "deep lists": (b"[" * 1_000_000, "too_deep"),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(data: bytes, code: str) -> None:
    """Each kind of odd text has its code and one sentence."""
    with pytest.raises(BadJSON) as caught:
        parse(data)
    assert caught.value.fault == code
    assert str(caught.value)


def test_depth_is_counted_outside_strings_only() -> None:
    """Brackets inside strings, also after escaped quotes and backslashes, are text."""
    text = "[" * 500 + '"\\' + "]" * 500
    assert parse(json.dumps({text: text}).encode()) == {text: text}
    nested = b"[" * MAX_DEPTH + b'"\\\\"' + b"]" * MAX_DEPTH
    assert parse(nested) is not None


def test_a_whole_surrogate_pair_is_one_character() -> None:
    """Escapes beyond the basic plane are read as other parsers read them."""
    assert parse(rb'"\ud83d\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"1." + b"3" * 1_000_000 + b"]",
        b"0." + b"0" * 1_000_000 + b"1",
        b'"' + b"\\u0041" * 170_000 + b'"',
        b"{" + b",".join(b'"%d":{}' % n for n in range(100_000)) + b"}",
        b"[" + b'"' * 1_000_001,
        b'"' + b"\\" * 1_000_001 + b'"',
    ],
    ids=["long fraction", "small fraction", "escapes", "keys", "quotes", "backslashes"],
)
def test_a_megabyte_freezes_nothing(data: bytes) -> None:
    """A megabyte of anything is settled, one way or the other, with little work."""
    with unfrozen():
        try:
            parse(data)
        except BadJSON as error:
            assert error.fault in {"not_json", "bad_number"}
