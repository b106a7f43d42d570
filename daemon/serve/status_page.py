"""The status page: static files that say nothing about this daemon, and the one answer that fills them."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from .face import Shown
from .rendered import Rendered

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page_routes() -> APIRouter:
    """Make the routes of the page's files. They need no key: the page asks for it, and sends it with each request."""
    router = APIRouter()
    for name, content in _page_files().items():
        path = "/" if name == "index.html" else f"/page/{name}"
        router.add_api_route(path, _sender(content, _KINDS[name.rpartition(".")[2]]), response_model=None, name=name)
    return router


def answer_routes(shown: Shown) -> APIRouter:
    """Make the route of the page's answer, which says as much as the control socket does, and changes nothing."""
    router = APIRouter()

    status = Rendered(lambda: bytes(JSONResponse(shown.overview()).body))

    @router.get("/status.json", response_model=None)
    async def answer() -> Response:
        return Response(await status.get(), media_type="application/json", headers={"Cache-Control": "no-store"})

    return router


def _page_files() -> dict[str, bytes]:
    """Read the files once: they do not change while the daemon runs."""
    folder = files(__package__).joinpath("page")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _KINDS}


def _sender(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def send(_: Request) -> Response:
        return Response(content, media_type=kind, headers=dict(_HEADERS))

    return send
