"""Errors as OpenAI's clients expect them."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from .face import BadRequest, FaceError

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "invalid_request_error", 429: "rate_limit"}


def error_response(status: int, code: str, sentence: str, param: str = "") -> JSONResponse:
    """Make ``{"error": {message, type, param, code}}``."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    body: dict[str, Any] = {"message": sentence, "type": kind, "param": param or None, "code": code}
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    return JSONResponse({"error": body}, status, headers)


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
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    sentence = f"{request.method} {request.url.path}: {str(error.detail).lower()}"
    return error_response(error.status_code, code, sentence)


async def _unexpected(_: Request, __: Exception) -> JSONResponse:
    """Tell the client nothing of the inside; the server logs the traceback."""
    return error_response(500, "internal_error", "hotswapd failed at this request; its log says where")
