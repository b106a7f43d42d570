"""The HTTP server's app: an OpenAI-compatible API, health, metrics and the status page. Nothing here changes state."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.config.tables import Serve
from hotswapd.daemon.errors import ErrorCode, FaceError
from hotswapd.daemon.report.metrics import Metrics

from .errors import error_response, install_errors
from .face import Answering, Face, Shown
from .feedback import Answers, Remembering, feedback_routes
from .intake import Intake
from .key import Keys, key_check
from .models import model_routes
from .names import Names
from .openapi import document
from .rendered import Rendered
from .status_page import answer_routes, page_routes
from .threshold import Threshold
from .tokenizing import tokenizing_routes
from .v1 import Sticky, answering_routes

NO_ROLLOUT = Rollout()
USUAL = Serve()


class NoEmbeddings(FaceError):
    """This server generates text, and nothing else."""

    status = 404

    def __init__(self) -> None:
        super().__init__(ErrorCode.NOT_FOUND, "there are no embeddings here: this server generates text")


def make_http_app(
    face: Face, names: Names, metrics: Metrics, serve: Serve = USUAL, rollout: Rollout = NO_ROLLOUT
) -> ASGIApp:
    """Make the app of a daemon. `names` are those under which the base is asked for.

    `serve` decides who may ask: without a file of keys no key is asked for. `rollout` decides which requests stay
    together, and whether feedback is taken.
    """
    return _app(face, names, metrics, serve, rollout, [answer_routes(face)], [_shown(face)])


def make_ingress_app(
    face: Answering,
    names: Names,
    metrics: Metrics,
    serve: Serve = USUAL,
    rollout: Rollout = NO_ROLLOUT,
    shown: Shown | None = None,
    operators: Sequence[APIRouter] = (),
    answers: Remembering | None = None,
) -> ASGIApp:
    """Make the app of one of several processes that answer for a fleet; `operators` have a key of their own.

    It is `make_http_app`, but for the status page and ``/metrics``: these say what `shown` knows, who sees all of it.
    `answers` knows which generation gave an answer of any of these processes.
    """
    page = [] if shown is None else [answer_routes(shown)]
    open_to_all = [] if shown is None else [_shown(shown)]
    return _app(face, names, metrics, serve, rollout, page, [*open_to_all, *operators], answers)


def _app(
    face: Answering,
    names: Names,
    metrics: Metrics,
    serve: Serve,
    rollout: Rollout,
    with_key: Sequence[APIRouter] = (),
    without: Sequence[APIRouter] = (),
    answers: Remembering | None = None,
) -> ASGIApp:
    app = FastAPI(openapi_url=None)
    install_errors(app)
    keys = Keys(serve.api_key_file, serve.api_keys_file) if serve.api_key_file or serve.api_keys_file else None
    keyed = [Depends(key_check(keys, lambda name: metrics.key(name, 429)))] if keys is not None else []
    for router in (_api(face, names, metrics, rollout, answers), *with_key):
        app.include_router(router, dependencies=keyed)
    for router in (*without, _open_routes(face, keyed=keys is not None)):
        app.include_router(router)
    return Threshold(app, serve.host, serve.hosts, serve.cors_origins)


def _api(
    face: Answering, names: Names, metrics: Metrics, rollout: Rollout, known: Remembering | None = None
) -> APIRouter:
    """Make what needs a key, if one is asked for."""
    answers = (known or Answers()) if rollout.feedback else None
    intake = Intake()
    v1 = APIRouter(prefix="/v1")
    v1.include_router(model_routes(face.answerer, names))
    v1.include_router(answering_routes(face.answerer, names, metrics, intake, Sticky(rollout.header, answers)))
    v1.include_router(feedback_routes(face.answerer, answers))
    v1.post("/embeddings", response_model=None)(_no_embeddings)
    api = APIRouter()
    api.include_router(v1)
    api.include_router(tokenizing_routes(face.answerer, names, intake))
    return api


async def _no_embeddings(_: Request) -> Response:
    raise NoEmbeddings


def _open_routes(face: Answering, *, keyed: bool) -> APIRouter:
    """Make the routes that need no key, for load balancers."""
    router = APIRouter()
    described = document(keyed=keyed)

    @router.get("/openapi.json", response_model=None)
    async def openapi() -> JSONResponse:
        return JSONResponse(described)

    @router.get("/health", response_model=None)
    async def health() -> Response:
        now = face.ready()
        return Response() if now.ready else _unready(now.reason)

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", response_model=None)
    async def ready() -> JSONResponse:
        now = face.ready()
        return JSONResponse({"ready": now.ready, "reason": now.reason or None}, 200 if now.ready else 503)

    return router


def _shown(shown: Shown) -> APIRouter:
    """Make the page's files and the route for Prometheus, which need no key."""
    router = page_routes()
    exposition = Rendered(shown.exposition)

    @router.get("/metrics", response_model=None)
    async def metrics_page() -> Response:
        return Response(await exposition.get(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _unready(reason: str) -> JSONResponse:
    return error_response(503, ErrorCode.NOT_READY, reason)
