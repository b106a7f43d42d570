"""The control socket's app: everything that changes state, for those who may open the socket."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from hotswapd.daemon.errors import BadRequest, ErrorCode
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.serve.body import json_object, read_small
from hotswapd.daemon.serve.errors import install_errors

from .face import ControlFace, Peer
from .peer import peer

Fields = Mapping[str, object]
"""What a request says, once its fields are known."""
Answer = dict[str, Any]
_DEFAULT_HISTORY = 50
_MAX_HISTORY = 100_000


def make_control_app(face: ControlFace) -> FastAPI:
    """Make the app; every answer is JSON, every refusal has a code and a sentence."""
    app = FastAPI(openapi_url=None)
    install_errors(app)
    _reads(app, face)
    _writes(app, face)
    return app


def _reads(app: FastAPI, face: ControlFace) -> None:
    @app.get("/status", response_model=None)
    async def status(request: Request) -> JSONResponse:
        return JSONResponse(await to_thread.run_sync(face.status, request.query_params.get("channel")))

    @app.get("/history", response_model=None)
    async def history(request: Request) -> JSONResponse:
        limit, channel = _limit(request.query_params.get("limit")), request.query_params.get("channel")
        return JSONResponse(await to_thread.run_sync(face.history, limit, channel))

    @app.get("/actions", response_model=None)
    async def actions(request: Request) -> JSONResponse:
        return JSONResponse(await to_thread.run_sync(face.actions, _limit(request.query_params.get("limit"))))


def _writes(app: FastAPI, face: ControlFace) -> None:
    def submit(fields: Fields, who: Peer | None) -> Answer:
        return face.submit(_text(fields, "uri"), _flag(fields, "again"), who, _channel(fields))

    def rollback(fields: Fields, who: Peer | None) -> Answer:
        return face.rollback(_number(fields, "generation"), _flag(fields, "follow"), who, _channel(fields))

    def pin(fields: Fields, who: Peer | None) -> Answer:
        return face.pin(_number(fields, "generation"), who, _channel(fields))

    def ab_start(fields: Fields, who: Peer | None) -> Answer:
        number = _number(fields, "generation")
        if number is None:
            raise BadRequest(ErrorCode.BAD_GENERATION, "generation must be a generation number", "generation")
        return face.ab_start(number, _weight(fields), who, _channel(fields))

    def remove(fields: Fields, who: Peer | None) -> Answer:
        return face.remove_channel(_text(fields, "channel"), _flag(fields, "purge"), who)

    _post(app, "/ab/start", ab_start, {"generation", "weight", "channel"})
    _post(app, "/submit", submit, {"uri", "again", "channel"})
    _post(app, "/rollback", rollback, {"generation", "follow", "channel"})
    _post(app, "/pin", pin, {"generation", "channel"})
    _post(app, "/channel/remove", remove, {"channel", "purge"})
    plain = {"/ab/promote": face.ab_promote, "/ab/stop": face.ab_stop}
    plain |= {"/unpin": face.unpin, "/pause": face.pause, "/resume": face.resume}
    for path, act in plain.items():
        _post(app, path, functools.partial(_plain, act), {"channel"})


def _plain(act: Callable[[Peer | None, str], Answer], fields: Fields, who: Peer | None) -> Answer:
    return act(who, _channel(fields))


def _post(app: FastAPI, path: str, act: Callable[[Fields, Peer | None], Answer], known: set[str]) -> None:
    async def endpoint(request: Request) -> JSONResponse:
        fields = _fields(await read_small(request), known)
        return JSONResponse(await to_thread.run_sync(functools.partial(act, fields, peer(request))))

    app.post(path, response_model=None, name=path)(endpoint)


def _fields(body: bytes | bytearray, known: set[str]) -> Fields:
    fields = json_object(body or b"{}")
    unknown = sorted(set(fields) - known)
    if unknown:
        raise BadRequest(ErrorCode.UNKNOWN_FIELD, f"the field {', '.join(unknown)} does not exist", unknown[0])
    return fields


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(ErrorCode[f"BAD_{name.upper()}"], f"{name} must be a string", name)
    return value


def _channel(fields: Fields) -> str:
    return _text(fields, "channel") if "channel" in fields else DEFAULT


def _flag(fields: Fields, name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(ErrorCode[f"BAD_{name.upper()}"], f"{name} must be true or false", name)
    return value


def _number(fields: Fields, name: str) -> int | None:
    value = fields.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise BadRequest(ErrorCode[f"BAD_{name.upper()}"], f"{name} must be a generation number", name)
    return value


def _weight(fields: Fields) -> float:
    value = fields.get("weight", 50.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 100:
        raise BadRequest(ErrorCode.BAD_WEIGHT, "weight must be a percentage above 0 and below 100", "weight")
    return float(value)


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_HISTORY
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_HISTORY:
        raise BadRequest(ErrorCode.BAD_LIMIT, f"limit must be a number from 1 to {_MAX_HISTORY}", "limit")
    return int(text)
