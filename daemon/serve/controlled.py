"""The operator's requests over HTTP, where the control socket is out of reach: they are passed on to who decides."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, Request, Response

from .body import read_small, require_json
from .key import Keys, key_check

Call = Callable[[str, str, str, bytes], Awaitable[tuple[int, bytes]]]
"""Passes a request on, by its method, path, query and body; returns the status and the JSON of the answer."""


def control_routes(key_file: str, call: Call) -> APIRouter:
    """Make the control socket's API below ``/control``, for whoever sends the key in this file and nobody else.

    `call` may raise NotReady.
    """
    router = APIRouter(prefix="/control", dependencies=[Depends(key_check(Keys(key_file, ""), lambda name: None))])

    @router.get("/{path:path}", response_model=None)
    async def ask(path: str, request: Request) -> Response:
        return _answer(*await call("GET", f"/{path}", request.url.query, b""))

    @router.post("/{path:path}", response_model=None)
    async def change(path: str, request: Request) -> Response:
        require_json(request)
        body = bytes(await read_small(request))
        return _answer(*await call("POST", f"/{path}", request.url.query, body))

    return router


def _answer(status: int, content: bytes) -> Response:
    return Response(content, status, media_type="application/json")
