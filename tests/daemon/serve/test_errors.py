"""Errors as OpenAI's clients expect them."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from hotswapd.daemon.errors import BadRequest, Busy, Conflict, ErrorCode, FaceError, NotReady
from hotswapd.daemon.serve.errors import error_body, install_errors


def client(error: Exception) -> TestClient:
    app = FastAPI()
    install_errors(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (BadRequest(ErrorCode.BAD_VALUE, "no", "top_p"), 400, "invalid_request_error"),
        (Conflict(ErrorCode.NOT_THERE, "no"), 409, "invalid_request_error"),
        (Busy(ErrorCode.QUEUE_FULL, "no"), 429, "rate_limit"),
        (NotReady(ErrorCode.NOT_READY, "no"), 503, "server_error"),
    ],
)
def test_an_error_has_openais_shape(error: FaceError, status: int, kind: str) -> None:
    answer = client(error).get("/")
    param = "top_p" if isinstance(error, BadRequest) else None
    assert answer.status_code == status
    assert answer.json() == {"error": {"message": "no", "type": kind, "param": param, "code": error.code}}


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Busy(ErrorCode.QUEUE_FULL, "no"), "1"),
        (NotReady(ErrorCode.NOT_READY, "no"), "1"),
        (Conflict(ErrorCode.NOT_THERE, "no"), None),
    ],
)
def test_who_may_come_again_is_told_when(error: FaceError, again: str | None) -> None:
    assert client(error).get("/").headers.get("Retry-After") == again


def test_paths_and_methods_that_do_not_exist_have_codes() -> None:
    asked = client(ValueError())
    assert asked.get("/nowhere").json()["error"]["code"] == "not_found"
    assert asked.post("/").json()["error"]["code"] == "method_not_allowed"
    assert "POST /" in asked.post("/").json()["error"]["message"]


def test_an_unexpected_error_keeps_its_secrets() -> None:
    answer = client(ValueError("secret")).get("/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


def test_an_error_in_a_stream_has_the_same_shape() -> None:
    told = json.loads(error_body(NotReady(ErrorCode.NOT_READY, "no")))
    assert told == {"error": {"message": "no", "type": "server_error", "param": None, "code": "not_ready"}}
