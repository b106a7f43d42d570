"""The JSON that an adapter may use: small, shallow, without duplicate keys, and with numbers within range."""

import json
import math
from enum import StrEnum
from typing import Any, NoReturn

MAX_DEPTH = 20
_MAX_DIGITS = 20


class Fault(StrEnum):
    """Which rule a text breaks: the end of a code of `codes.FilesCode` and of one of `codes.HeaderCode`."""

    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    BAD_NUMBER = "bad_number"
    DUPLICATE_KEY = "duplicate_key"
    TOO_DEEP = "too_deep"


class BadJSON(ValueError):
    """The text is not acceptable."""

    def __init__(self, fault: Fault, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault


def parse(data: bytes) -> Any:
    """Parse UTF-8 JSON strictly. Raises BadJSON; never recurses deeper than MAX_DEPTH and never hangs."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJSON(Fault.NOT_UTF8, f"it is not UTF-8 (byte {error.start})") from None
    if text.startswith("\ufeff"):
        raise BadJSON(Fault.NOT_UTF8, "it begins with a byte order mark")
    _check_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_float=_finite, parse_int=_sized, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        raise BadJSON(Fault.NOT_JSON, f"it is not JSON: {error.msg} at character {error.pos}") from None
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
                raise BadJSON(Fault.TOO_DEEP, f"it nests deeper than {MAX_DEPTH}")
        elif character in "]}":
            depth -= 1


def _check_escapes(value: Any) -> None:
    """Refuse half a surrogate pair: it decodes to text that no log, database or terminal can take."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadJSON(Fault.NOT_UTF8, "an escape in it is half of a surrogate pair") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadJSON(Fault.DUPLICATE_KEY, f"the key {twice[:80]!r} is there twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadJSON(Fault.BAD_NUMBER, f"the number {text[:40]} is out of range")
    return value


def _sized(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise BadJSON(Fault.BAD_NUMBER, f"a number of {len(text)} digits is out of range")
    return int(text)


def _no_constant(text: str) -> NoReturn:
    raise BadJSON(Fault.BAD_NUMBER, f"{text} is not a JSON number")
