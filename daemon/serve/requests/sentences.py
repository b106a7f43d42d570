"""What is wrong with a body, in words: the place, what was wanted there, and what came."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hotswapd.daemon.errors import BadRequest, ErrorCode

from .fields import UNSUPPORTED

_NAMED = 100
_SHOWN = 40
_LONGEST = 100
"""Characters of a name that a client made up."""
_CODES = {
    "extra_forbidden": ErrorCode.UNKNOWN_FIELD,
    "missing": ErrorCode.MISSING_FIELD,
    "missing_content": ErrorCode.MISSING_FIELD,
    "union_tag_not_found": ErrorCode.MISSING_FIELD,
    "literal_error": ErrorCode.UNSUPPORTED_VALUE,
    "union_tag_invalid": ErrorCode.UNSUPPORTED_VALUE,
    UNSUPPORTED: ErrorCode.UNSUPPORTED_VALUE,
}
_KINDS = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "finite_number": "a finite number",
}
_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda ctx: f"at least {ctx['ge']:g}",
    "greater_than": lambda ctx: f"greater than {ctx['gt']:g}",
    "less_than_equal": lambda ctx: f"at most {ctx['le']:g}",
    "less_than": lambda ctx: f"less than {ctx['lt']:g}",
    "string_too_short": lambda ctx: f"at least {_counted(ctx['min_length'], 'character')} long",
    "string_too_long": lambda ctx: f"at most {_counted(ctx['max_length'], 'character')} long",
    "too_short": lambda ctx: f"a list of at least {_counted(ctx['min_length'], 'item')}",
    "too_long": lambda ctx: f"at most {_counted(ctx['max_length'], 'item')} long",
    "literal_error": lambda ctx: _one_of(ctx["expected"]),
    "union_tag_invalid": lambda ctx: _one_of(ctx["expected_tags"]),
}


def explained(error: ValidationError, body: Mapping[str, object]) -> BadRequest:
    """Report each place at fault once."""
    if error.error_count() > _NAMED:  # to name them takes longer than to find them, and holds everybody up
        return BadRequest(ErrorCode.BAD_VALUE, f"more than {_NAMED} things are wrong with the body")
    wrong: dict[str, tuple[ErrorCode, str]] = {}
    for one in error.errors(include_url=False):
        place, value = _found(one, body)
        place = place or str(one.get("ctx", {}).get("param", ""))
        wrong.setdefault(place, (_CODES.get(one["type"], ErrorCode.BAD_VALUE), _sentence(place, one, value)))
    first = next(iter(wrong))
    return BadRequest(wrong[first][0], "; ".join(sentence for _, sentence in wrong.values()), first)


def _found(error: ErrorDetails, body: object) -> tuple[str, object]:
    """Return the place of an error, such as `messages[3].content[0].type`, and what the body has there.

    Steps that are not of the body are names of a union's members, which pydantic puts in between.
    """
    place, value = "", body
    *steps, last = error["loc"] or ("",)
    for step in (*steps, last):
        match value, step:
            case list(), int() if step < len(value):
                place, value = f"{place}[{step}]", value[step]
            case dict(), str() if step in value:
                place, value = _below(place, step), value[step]
            case dict(), str() if error["type"] == "missing" and step is last:
                place, value = _below(place, step), None
    match error["type"]:
        case "missing_content":
            return _below(place, "content"), None
        case "union_tag_invalid" | "union_tag_not_found" if isinstance(value, dict):
            return _below(place, "type"), value.get("type")
    return place, value


def _below(place: str, name: str) -> str:
    return f"{place}.{name[:_LONGEST]}" if place else name[:_LONGEST]


def _sentence(place: str, error: ErrorDetails, value: object) -> str:
    kind, context = error["type"], error.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"the field {place} does not exist"
        case "missing" | "missing_content" | "union_tag_not_found":
            return f"{place} must be given"
        case "sentence" | "unsupported":
            return error["msg"] if context.get("param") else f"{place}: {error['msg']}"
        case "wanted":
            return f"{place} must be {error['msg']}, not {_shown(value)}"
    wanted = _BOUNDS[kind](context) if kind in _BOUNDS else _KINDS.get(kind)
    if wanted is None:
        return f"{place}: {error['msg']}"
    return f"{place} must be {wanted}, not {_shown(value)}"


def _shown(value: object) -> str:
    """Show what came: a short value as it is, a long one by its kind."""
    match value:
        case None | bool() | float():
            return json.dumps(value)
        case int():
            return str(value) if abs(value) < 10**_SHOWN else "a larger number"
        case str():
            return (
                json.dumps(value, ensure_ascii=False) if len(value) <= _SHOWN else f"a text of {len(value)} characters"
            )
        case list():
            return f"a list of {_counted(len(value), 'item')}"
    return "an object"


def _one_of(listed: str) -> str:
    """Turn pydantic's list of values into words."""
    *first, last = str(listed).replace("'", '"').replace(" or ", ", ").split(", ")
    return f"{', '.join(first)} or {last}" if first else last


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
