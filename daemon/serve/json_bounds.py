"""Look at a JSON body before it is parsed: what no honest request has is refused without making an object of it.

Parsing and validating hold the interpreter's lock until they are done, so nobody else is answered meanwhile. Here every
step is short, and one pass over a piece of the bytes at the speed of C.
"""

import re

from hotswapd.daemon.errors import BadRequest, ErrorCode

MAX_DEPTH = 16
"""A request nests 4 deep: the object, its messages, one message, its parts."""
_QUOTES = 4
"""Quotes that one item can have: a name and a text."""
_PIECE = 64 << 10
"""Bytes that are looked at without giving anybody else a turn."""
_START = 1024
"""Bytes within which the object must begin."""
_OPENING = (b",", b"[", b"{")
_ALL_ELSE = bytes(set(range(256)) - set(b"[]{},"))
_HALF = re.compile(r"[\ud800-\udfff]")


def bounded_text(body: bytes | bytearray, most_items: int) -> str:
    """Return the body as text if it can be parsed without harm. Raises BadRequest.

    `most_items` bounds the members of all lists and objects together. It must be UTF-8, as RFC 8259 has it, and is an
    object if it is JSON at all.
    """
    if not body[:_START].lstrip(b" \t\r\n\xef\xbb\xbf").startswith(b"{"):
        raise not_json()
    scan = _Scan(most_items)
    for start in range(0, len(body), _PIECE):
        scan.feed(body[start : start + _PIECE])
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise not_json() from None


def require_text(fields: dict[str, object], body: bytes | bytearray) -> None:
    """Refuse half a surrogate pair in any name or text, which no tokenizer takes. Raises BadRequest.

    Only an escape can bring one into a body that is UTF-8, so that a body without such an escape is not searched.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return
    for name, value in fields.items():
        if any(_HALF.search(text) for text in _texts(name, value)):
            raise BadRequest(ErrorCode.BAD_VALUE, f"{_shown(name)}: half of a surrogate pair is not text", _shown(name))


def not_json() -> BadRequest:
    """Make the refusal of a body that is not a JSON object."""
    return BadRequest(ErrorCode.NOT_JSON, "the body must be a JSON object")


class _Scan:
    """Counts what is outside strings, piece by piece; a string or an escape may begin in one and end in another."""

    def __init__(self, most_items: int) -> None:
        self._most = most_items
        self._items = 0
        self._quotes = 0
        self._depth = 0
        self._carried = b""

    def feed(self, piece: bytes | bytearray) -> None:
        """Go on. Raises BadRequest as soon as there is too much of anything."""
        plain = (self._carried + piece).replace(b"\\\\", b"")
        self._carried = b"\\" if plain.endswith(b"\\") else b""
        parts = plain.removesuffix(b"\\").replace(b'\\"', b"").split(b'"')  # what is left of an escape ends no string
        structure = b"".join(parts[self._quotes % 2 :: 2]).translate(None, _ALL_ELSE)
        self._quotes += len(parts) - 1
        self._items += sum(structure.count(one) for one in _OPENING)
        if self._items > self._most or self._quotes > _QUOTES * self._most:
            raise _too_complex(f"has more than {self._most:,} items")
        self._sink(structure.translate(None, b","))

    def _sink(self, brackets: bytes) -> None:
        for one in brackets:
            self._depth += 1 if one in b"[{" else -1
            if self._depth > MAX_DEPTH:
                raise _too_complex(f"nests more than {MAX_DEPTH} deep")


def _texts(*values: object) -> list[str]:
    """Return every string in them, names included."""
    found: list[str] = []
    left = list(values)
    while left:
        match left.pop():
            case str() as text:
                found.append(text)
            case list() as items:
                left += items
            case dict() as fields:
                left += fields
                left += fields.values()
    return found


def _shown(name: str) -> str:
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", name[:100])


def _too_complex(what: str) -> BadRequest:
    return BadRequest(ErrorCode.BODY_TOO_COMPLEX, f"the body {what}, more than a prompt can need; send fewer at a time")
