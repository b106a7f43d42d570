"""JSON as an adapter may use it: small, shallow, without duplicates, and with numbers that mean something."""

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 20
_MAX_DIGITS = 20


class BadJSON(ValueError):
    """The text is not acceptable. `code` says which rule it broke: ``not_json``, ``duplicate_key``, ..."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def parse(data: bytes) -> Any:
    """Parse UTF-8 JSON strictly. Raises BadJSON; never recurses deeper than MAX_DEPTH and never hangs."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJSON("not_utf8", f"it is not UTF-8 (byte {error.start})") from None
    if text.startswith("\ufeff"):
        raise BadJSON("not_utf8", "it begins with a byte order mark")
    _check_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_float=_finite, parse_int=_sized, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        raise BadJSON("not_json", f"it is not JSON: {error.msg} at character {error.pos}") from None
    if "\\u" in text:
        _check_escapes(value)
    return value


def _check_depth(text: str) -> None:
    """Count brackets outside strings first, since the decoder itself recurses."""
    depth, in_string, escaped = 0, False, False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadJSON("too_deep", f"it nests deeper than {MAX_DEPTH}")
        elif character in "]}":
            depth -= 1


def _check_escapes(value: Any) -> None:
    """Refuse half a surrogate pair: it decodes to text that no log, database or terminal can take."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadJSON("not_utf8", "an escape in it is half of a surrogate pair") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadJSON("duplicate_key", f"the key {twice[:80]!r} is there twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadJSON("bad_number", f"the number {text[:40]} is out of range")
    return value


def _sized(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise BadJSON("bad_number", f"a number of {len(text)} digits is out of range")
    return int(text)


def _no_constant(text: str) -> NoReturn:
    raise BadJSON("bad_number", f"{text} is no JSON number")
