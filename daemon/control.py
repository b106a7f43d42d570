"""The control socket's app: everything that changes state, for whoever may open the socket."""

import functools
import json
from collections.abc import Callable
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from .face import BadRequest, Face
from .http_errors import install_errors

MAX_BODY_BYTES = 64 << 10
_DEFAULT_HISTORY = 50
_MAX_HISTORY = 100_000


def make_control_app(face: Face) -> FastAPI:
    """Make the app; every answer is JSON, every refusal has a code and a sentence."""
    app = FastAPI(openapi_url=None)
    install_errors(app)
    _reads(app, face)
    _writes(app, face)
    return app


def _reads(app: FastAPI, face: Face) -> None:
    @app.get("/status", response_model=None)
    async def status() -> JSONResponse:
        return JSONResponse(await to_thread.run_sync(face.status))

    @app.get("/history", response_model=None)
    async def history(request: Request) -> JSONResponse:
        return JSONResponse(await to_thread.run_sync(face.history, _limit(request.query_params.get("limit"))))


def _writes(app: FastAPI, face: Face) -> None:
    def submit(fields: dict[str, Any]) -> dict[str, Any]:
        return face.submit(_text(fields, "uri"), _flag(fields, "again"), None)

    def rollback(fields: dict[str, Any]) -> dict[str, Any]:
        return face.rollback(_number(fields, "generation"), _flag(fields, "follow"), None)

    def pin(fields: dict[str, Any]) -> dict[str, Any]:
        return face.pin(_number(fields, "generation"), None)

    _post(app, "/submit", submit, {"uri", "again"})
    _post(app, "/rollback", rollback, {"generation", "follow"})
    _post(app, "/pin", pin, {"generation"})
    _post(app, "/unpin", lambda _: face.unpin(None), set())
    _post(app, "/pause", lambda _: face.pause(None), set())
    _post(app, "/resume", lambda _: face.resume(None), set())


def _post(app: FastAPI, path: str, act: Callable[[dict[str, Any]], dict[str, Any]], known: set[str]) -> None:
    async def endpoint(request: Request) -> JSONResponse:
        fields = _fields(await request.body(), known)
        return JSONResponse(await to_thread.run_sync(functools.partial(act, fields)))

    app.post(path, response_model=None, name=path)(endpoint)


def _fields(body: bytes, known: set[str]) -> dict[str, Any]:
    try:
        fields = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise BadRequest("not_json", "the body must be a JSON object")
    unknown = sorted(set(fields) - known)
    if unknown:
        raise BadRequest("unknown_field", f"there is no field {', '.join(unknown)}", unknown[0])
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"bad_{name}", f"{name} must be a text", name)
    return value


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"bad_{name}", f"{name} must be true or false", name)
    return value


def _number(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise BadRequest(f"bad_{name}", f"{name} must be a generation's number", name)
    return value


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_HISTORY
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_HISTORY:
        raise BadRequest("bad_limit", f"limit must be a number from 1 to {_MAX_HISTORY}", "limit")
    return int(text)
