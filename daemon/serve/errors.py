"""Errors in the shape that OpenAI's clients expect."""

import json
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from typing_extensions import TypedDict  # pydantic reads typing's own only from Python 3.12 on

from hotswapd.daemon.errors import BadRequest, ErrorCode, FaceError

CODES = {404: ErrorCode.NOT_FOUND, 405: ErrorCode.METHOD_NOT_ALLOWED}
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "invalid_request_error", 429: "rate_limit"}

_NO_HEADERS: Mapping[str, str] = {}
_ALWAYS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "1"},
}


class ErrorFields(TypedDict):
    """One error: a sentence, OpenAI's name for its kind, the field at fault, and a stable code."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(TypedDict):
    """The whole answer."""

    error: ErrorFields


def error_response(
    status: int, code: str, sentence: str, param: str = "", headers: Mapping[str, str] = _NO_HEADERS
) -> JSONResponse:
    """Make the answer; a client that may succeed a moment later is told when to try again."""
    usual = _ALWAYS.get(status, _NO_HEADERS)
    return JSONResponse(_body(status, code, sentence, param), status, {**usual, **headers})


def error_body(error: FaceError) -> str:
    """Return an error as JSON in the same shape, for the middle of a stream."""
    return json.dumps(_body(error.status, error.code, error.sentence, ""))


def _body(status: int, code: str, sentence: str, param: str) -> ErrorBody:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": sentence, "type": kind, "param": param or None, "code": code}}


def install_errors(app: FastAPI) -> None:
    """Answer every error of this app in that shape."""
    app.add_exception_handler(FaceError, _face_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _face_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FaceError)
    param = error.param if isinstance(error, BadRequest) else ""
    return error_response(error.status, error.code, error.sentence, param, error.headers)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, ErrorCode.HTTP_ERROR)
    sentence = f"{request.method} {request.url.path}: {str(error.detail).lower()}"
    return error_response(error.status_code, code, sentence, headers=_allow(error.headers))


def _allow(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the header that lists a page's methods: HEAD is one wherever GET is."""
    methods = {one.strip() for one in (headers or {}).get("Allow", "").split(",")} - {""}
    if not methods:
        return _NO_HEADERS
    return {"Allow": ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))}


async def _unexpected(_: Request, __: Exception) -> JSONResponse:
    """Tell the client nothing about the inside; the server logs the traceback."""
    return error_response(
        500, ErrorCode.INTERNAL_ERROR, "hotswapd failed to answer this request; its log has the reason"
    )
