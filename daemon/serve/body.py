"""Read request bodies without keeping more of them in memory than is allowed."""

import json
from collections.abc import Callable

from fastapi import Request

from hotswapd.daemon.errors import BadRequest, ErrorCode, FaceError

from .json_bounds import bounded_text, not_json, require_text

_MOST_ITEMS = 1000
SMALL_BYTES = 64 << 10
_JSON = "application/json"


class NotJson(FaceError):
    """The body does not say that it is JSON, which a browser asks nobody's leave to send."""

    status = 415


def require_json(request: Request) -> None:
    """Refuse a body that does not say `application/json`. Raises NotJson.

    A page of any other site may send text and forms to this port, but JSON only with the leave that CORS gives.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != _JSON:
        raise NotJson(ErrorCode.NOT_APPLICATION_JSON, f"send the body with Content-Type: {_JSON}")


async def read_within(
    request: Request, most: int, too_large: FaceError, grows: Callable[[int], None] = lambda _: None
) -> bytearray:
    """Read a body of at most `most` bytes. Raises `too_large` as soon as there are more, and ClientDisconnect.

    `grows` is told each length that it has so far, and may raise.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise too_large
        grows(len(body))
    return body


async def read_small(request: Request) -> bytearray:
    """Read what an operator sends. Raises BadRequest as soon as it has more than 64 KiB, and ClientDisconnect."""
    too_large = BadRequest(ErrorCode.BODY_TOO_LARGE, f"a body has at most {SMALL_BYTES} bytes")
    return await read_within(request, SMALL_BYTES, too_large)


def json_object(body: bytes | bytearray, most_items: int = _MOST_ITEMS) -> dict[str, object]:
    """Parse a small JSON object. Raises BadRequest."""
    try:
        fields = json.loads(bounded_text(body, most_items))
    except ValueError:
        raise not_json() from None
    if not isinstance(fields, dict):
        raise not_json()
    require_text(fields, body)
    return fields
