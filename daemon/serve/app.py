"""The HTTP server's app: an OpenAI-compatible API, health, metrics and the status page. Nothing here changes state."""

import time
from collections.abc import Callable

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.responses import JSONResponse
from openai.types import Model
from starlette.types import ASGIApp

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.config.tables import Serve
from hotswapd.daemon.report.metrics import Metrics

from .errors import install_errors
from .face import Face
from .feedback import Answers, feedback_routes
from .key import Keys, key_check
from .names import served_names
from .status_page import answer_routes, page_routes
from .threshold import Threshold
from .v1 import Sticky, answering_routes

NO_ROLLOUT = Rollout()
USUAL = Serve()


def make_http_app(
    face: Face, model: str, metrics: Metrics, serve: Serve = USUAL, rollout: Rollout = NO_ROLLOUT
) -> ASGIApp:
    """Make the app. `model` is the name under which the base is asked for.

    `serve` decides who may ask: without a file of keys no key is asked for. `rollout` decides which requests stay
    together, and whether feedback is taken.
    """
    app = FastAPI(openapi_url=None)
    install_errors(app)
    keys = Keys(serve.api_key_file, serve.api_keys_file) if serve.api_key_file or serve.api_keys_file else None
    keyed = [Depends(key_check(keys, lambda name: metrics.key(name, 429)))] if keys is not None else []
    answers = Answers() if rollout.feedback else None
    v1 = APIRouter(prefix="/v1", dependencies=keyed)
    v1.get("/models", response_model=None)(_models(face, model))
    v1.include_router(answering_routes(face.answerer, model, metrics, Sticky(rollout.header, answers)))
    v1.include_router(feedback_routes(face.answerer, answers))
    app.include_router(v1)
    app.include_router(answer_routes(face), dependencies=keyed)
    app.include_router(page_routes())
    app.include_router(_open_routes(face, metrics))
    return Threshold(app, serve.host, serve.hosts, serve.cors_origins)


def _models(face: Face, model: str) -> Callable[[], JSONResponse]:
    started = int(time.time())

    def models() -> JSONResponse:
        """List the base's name, and a name for each generation that is served. Raises NotReady before that."""
        numbers = face.answerer().generations()
        listed = [
            Model(id=name, created=started, object="model", owned_by="hotswapd")
            for name in served_names(model, numbers)
        ]
        return JSONResponse({"object": "list", "data": [one.model_dump() for one in listed]})

    return models


def _open_routes(face: Face, metrics: Metrics) -> APIRouter:
    """Make the routes that need no key, for load balancers and Prometheus."""
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
        return Response(
            await to_thread.run_sync(face.exposition), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    return router
