"""The HTTP server's app: an OpenAI-compatible API that changes nothing, health and metrics."""

import functools
import hmac
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from openai.types import Completion, CompletionChoice, CompletionUsage, Model
from starlette.requests import ClientDisconnect

from .face import Answer, Busy, Face, FaceError
from .http_errors import install_errors
from .http_requests import MAX_BODY_BYTES, CompletionRequest, read_request
from .metrics import Metrics

GENERATION_HEADER = "X-Hotswapd-Generation"
log = structlog.get_logger(__name__)
_NO_DIGEST = "0" * 12


class Unauthorized(FaceError):
    """The API key is missing or wrong."""

    status = 401


class TooLarge(FaceError):
    """The body is larger than any prompt can be."""

    status = 413


def make_http_app(face: Face, model: str, metrics: Metrics, api_key_file: str = "", max_queue: int = 256) -> FastAPI:
    """Make the app. `model` is the name under which the resident is asked for.

    The key file is read at each request, so that a new key needs no restart; empty means no key is asked for.
    """
    app = FastAPI(openapi_url=None)
    install_errors(app)
    keyed = [Depends(_key_check(Path(api_key_file)))] if api_key_file else []
    v1 = APIRouter(prefix="/v1", dependencies=keyed)
    v1.get("/models", response_model=None)(_models(model))
    v1.post("/completions", response_model=None)(_completions(face, model, metrics, CapacityLimiter(max_queue)))
    app.include_router(v1)
    app.include_router(_open_routes(face, metrics))
    return app


def system_fingerprint(generation: int, digest: str) -> str:
    """Name what answered, as responses do; generation 0 has no digest and shows zeros."""
    return f"hotswapd-g{generation}-{digest[:12] or _NO_DIGEST}"


def _key_check(file: Path) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        wanted = _read_key(file)
        if kind.lower() != "bearer" or not wanted or not hmac.compare_digest(given.strip().encode(), wanted):
            raise Unauthorized("invalid_api_key", "send the API key as Authorization: Bearer KEY")

    return check


def _read_key(file: Path) -> bytes:
    """Read the key; while the file cannot be read nobody is let in."""
    try:
        return file.read_bytes().strip()
    except OSError as error:
        log.warning("api_key_unreadable", file=str(file), reason=str(error))
        return b""


def _models(model: str) -> Callable[[], JSONResponse]:
    started = int(time.time())

    def models() -> JSONResponse:
        one = Model(id=model, created=started, object="model", owned_by="hotswapd")
        return JSONResponse({"object": "list", "data": [one.model_dump()]})

    return models


def _completions(face: Face, model: str, metrics: Metrics, limiter: CapacityLimiter) -> Callable[..., object]:
    async def completions(request: Request) -> Response:
        try:
            asked = read_request(await _body(request), model)
            answer = await _complete(face, asked, limiter)
        except FaceError as error:
            metrics.request(error.status)
            raise
        except Exception:
            metrics.request(500)
            raise
        metrics.request(200, answer.generation, len(answer.token_ids))
        headers = {GENERATION_HEADER: str(answer.generation)}
        return JSONResponse(_completion(answer, model).model_dump(mode="json"), headers=headers)

    return completions


async def _body(request: Request) -> bytes:
    """Read the body, but never more than a prompt can need."""
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise TooLarge("body_too_large", f"a request has at most {MAX_BODY_BYTES} bytes")
            chunks.append(chunk)
    except ClientDisconnect:
        return b""
    return b"".join(chunks)


async def _complete(face: Face, asked: CompletionRequest, limiter: CapacityLimiter) -> Answer:
    if limiter.available_tokens < 1:
        raise Busy("queue_full", f"{int(limiter.total_tokens)} requests wait already; try again in a moment")
    work = functools.partial(face.complete, asked.prompt, asked.max_tokens, asked.stop)
    return await to_thread.run_sync(work, limiter=limiter)


def _completion(answer: Answer, model: str) -> Completion:
    written = len(answer.token_ids)
    reason: Literal["stop", "length"] = "stop" if answer.finish_reason == "stop" else "length"
    return Completion(
        id=f"cmpl-{uuid.uuid4().hex}",
        object="text_completion",
        created=int(time.time()),
        model=model,
        system_fingerprint=system_fingerprint(answer.generation, answer.digest),
        choices=[CompletionChoice(index=0, text=answer.text, finish_reason=reason, logprobs=None)],
        usage=CompletionUsage(
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=written,
            total_tokens=answer.prompt_tokens + written,
        ),
    )


def _open_routes(face: Face, metrics: Metrics) -> APIRouter:
    """Make the routes that need no key: a load balancer and Prometheus ask them."""
    router = APIRouter()

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", response_model=None)
    async def ready() -> JSONResponse:
        now = face.ready()
        return JSONResponse({"ready": now.ready, "reason": now.reason or None}, 200 if now.ready else 503)

    @router.get("/metrics", response_model=None)
    async def metrics_page() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
