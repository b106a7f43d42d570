"""A body becomes a checked request, or one sentence that names all that is wrong with it."""

import json
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from hotswapd.daemon.serve.json_bounds import bounded_text, not_json, require_text

from .sentences import explained

MAX_BODY_BYTES = 8 << 20
MOST_ITEMS = 1 << 16
"""Members of all lists and objects of a body together, where no context says otherwise."""
B = TypeVar("B", bound=BaseModel)


def read_body(kind: type[B], body: bytes | bytearray, most_items: int = MOST_ITEMS) -> B:
    """Parse a request's JSON. Raises a BadRequest that names every field at fault."""
    try:
        fields = json.loads(bounded_text(body, most_items), parse_constant=_no_constant)
    except ValueError:
        raise not_json() from None
    if not isinstance(fields, dict):
        raise not_json()
    require_text(fields, body)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise explained(error, fields) from None


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)
