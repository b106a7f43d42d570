"""The API key: who may ask the model and read the status."""

import hmac
from collections.abc import Callable
from pathlib import Path

import structlog
from fastapi import Request

from hotswapd.daemon.errors import ErrorCode, FaceError

log = structlog.get_logger(__name__)


class Unauthorized(FaceError):
    """The API key is missing or wrong."""

    status = 401


def key_check(file: Path) -> Callable[[Request], None]:
    """Make a dependency that raises Unauthorized unless a request sends the key in `file`.

    The file is read at each request, so that a new key needs no restart; while it is empty or cannot be read, nobody
    is let in. Keys are compared in constant time.
    """

    def check(request: Request) -> None:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        wanted = _read_key(file)
        if kind.lower() != "bearer" or not wanted or not hmac.compare_digest(given.strip().encode(), wanted):
            raise Unauthorized(ErrorCode.INVALID_API_KEY, "send the API key as Authorization: Bearer KEY")

    return check


def _read_key(file: Path) -> bytes:
    try:
        return file.read_bytes().strip()
    except OSError as error:
        log.warning("api_key_unreadable", file=str(file), reason=str(error))
        return b""
