"""A watcher's control API without a socket: a request and its answer, for whoever carries them."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from hotswapd.daemon.control.app import make_control_app
from hotswapd.daemon.control.face import ControlFace

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Called:
    """The answer to a request: JSON, always."""

    status: int
    body: bytes


class Calling:
    """The app of the control socket, for one event loop. Who may ask is for its caller to know."""

    def __init__(self, face: ControlFace) -> None:
        """Answer with what this face says."""
        self._app = make_control_app(face)

    async def call(self, method: str, path: str, query: str = "", body: bytes = b"") -> Called:
        """Answer as the control socket does; `path` is without the query. A change waits for the worker."""
        request = _Request(body)
        await self._app(_scope(method, path, query), request.receive, request.send)
        return Called(request.status, bytes(request.answer))


class _Request:
    """One request's two sides, as ASGI has them."""

    def __init__(self, body: bytes) -> None:
        self._body: list[bytes] = [body]
        self.status = 500
        self.answer = bytearray()

    async def receive(self) -> Message:
        if self._body:
            return {"type": "http.request", "body": self._body.pop(), "more_body": False}
        await asyncio.Event().wait()  # whoever asks stays
        raise AssertionError

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        else:
            self.answer += message.get("body", b"")


def _scope(method: str, path: str, query: str) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"content-type", b"application/json")],
        "client": None,
        "server": None,
        "state": {},
    }
