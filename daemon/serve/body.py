"""Read request bodies without keeping more of them in memory than is allowed."""

import json

from fastapi import Request

from hotswapd.daemon.errors import BadRequest, ErrorCode, FaceError


async def read_within(request: Request, most: int, too_large: FaceError) -> bytes:
    """Read a body of at most `most` bytes. Raises `too_large` as soon as there are more, and ClientDisconnect."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise too_large
    return bytes(body)


def json_object(body: bytes) -> dict[str, object]:
    """Parse a JSON object. Raises BadRequest."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise BadRequest(ErrorCode.NOT_JSON, "the body must be a JSON object")
    return fields
