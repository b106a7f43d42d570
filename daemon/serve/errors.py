"""Errors as OpenAI's clients expect them."""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hotswapd.daemon.errors import BadRequest, FaceError

CODES = {404: "not_found", 405: "method_not_allowed"}
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "invalid_request_error", 429: "rate_limit"}


def error_response(status: int, code: str, sentence: str, param: str = "") -> JSONResponse:
    """Make ``{"error": {message, type, param, code}}``."""
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    return JSONResponse(_shape(status, code, sentence, param), status, headers)


def error_body(error: FaceError) -> str:
    """Say an error in the middle of a stream, as JSON in the same shape."""
    return json.dumps(_shape(error.status, error.code, error.sentence, ""))


def _shape(status: int, code: str, sentence: str, param: str) -> dict[str, Any]:
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
    return error_response(error.status, error.code, error.sentence, param)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "http_error")
    sentence = f"{request.method} {request.url.path}: {str(error.detail).lower()}"
    return error_response(error.status_code, code, sentence)


async def _unexpected(_: Request, __: Exception) -> JSONResponse:
    """Tell the client nothing of the inside; the server logs the traceback."""
    return error_response(500, "internal_error", "hotswapd failed at this request; its log says where")
