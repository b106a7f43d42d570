"""The HTTP server's app: an OpenAI-compatible API that changes nothing, health, metrics and the status page."""

import hmac
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from openai.types import Model

from .config_rollout import Rollout
from .face import Face
from .feedback import Answers, feedback_routes
from .http_errors import install_errors
from .http_v1 import Sticky, answering_routes
from .metrics import Metrics
from .refusals import FaceError, NotReady
from .status_page import answer_routes, page_routes

log = structlog.get_logger(__name__)


AS_USUAL = Rollout()


class Unauthorized(FaceError):
    """The API key is missing or wrong."""

    status = 401


def make_http_app(
    face: Face, model: str, metrics: Metrics, api_key_file: str = "", rollout: Rollout = AS_USUAL
) -> FastAPI:
    """Make the app. `model` is the name under which the resident is asked for.

    The key file is read at each request, so that a new key needs no restart; empty means no key is asked for.
    `rollout` says whose requests stay together, and whether feedback is taken.
    """
    app = FastAPI(openapi_url=None)
    install_errors(app)
    keyed = [Depends(_key_check(Path(api_key_file)))] if api_key_file else []
    answers = Answers() if rollout.feedback else None
    v1 = APIRouter(prefix="/v1", dependencies=keyed)
    v1.get("/models", response_model=None)(_models(face, model))
    v1.include_router(answering_routes(face, model, metrics, Sticky(rollout.header, answers)))
    v1.include_router(feedback_routes(face, answers))
    app.include_router(v1)
    app.include_router(answer_routes(face), dependencies=keyed)
    app.include_router(page_routes())
    app.include_router(_open_routes(face, metrics))
    return app


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


def _models(face: Face, model: str) -> Callable[[], JSONResponse]:
    started = int(time.time())

    def models() -> JSONResponse:
        """List the base's name, and one name for each generation that is served."""
        try:
            numbers = face.answerer().generations()
        except NotReady:
            numbers = []
        names = [model, *(f"{model}@g{number}" for number in numbers)]
        listed = [Model(id=name, created=started, object="model", owned_by="hotswapd") for name in names]
        return JSONResponse({"object": "list", "data": [one.model_dump() for one in listed]})

    return models


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
