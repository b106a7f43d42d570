"""Before any route: whether a request may come in at all, by the names of this host and the page that sent it.

A browser sends whatever a page asks it to, also to the loopback of whoever looks at the page. Two headers that no page
can forge tell it apart: `Host`, which is the name that the page knows us by, and `Origin`, which is the page's own.
"""

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotswapd.daemon.errors import ErrorCode

from .errors import error_response

_ANY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on
_PORTS = {"http": "80", "https": "443"}
_METHODS = "GET, HEAD, POST"
_ASKED = "Authorization, Content-Type"
_SHOWN = "X-Hotswapd-Generation, X-Hotswapd-Channel, Retry-After"
_PREFLIGHT_SECONDS = "600"


class Threshold:
    """An app around another: refuses foreign hosts (421) and origins (403), answers CORS, turns HEAD into GET."""

    def __init__(self, app: ASGIApp, host: str, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        """`host` is `serve.host`, `hosts` and `origins` what else is let in."""
        self._app = app
        self._any_address = host in _ANY_ADDRESS
        self._hosts = {host.lower(), *(one.lower() for one in hosts)} - _ANY_ADDRESS
        self._origins = {one.lower() for one in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("Origin", "")
        if not self._knows_host(headers.get("Host", ""), scope):
            await _misdirected(headers.get("Host", ""))(scope, receive, send)
        elif origin and not self._knows_origin(origin, headers.get("Host", "")):
            await _foreign(origin)(scope, receive, send)
        else:
            allowed = origin if origin.lower() in self._origins else ""
            await self._let_in(scope, receive, _with_cors(send, allowed) if allowed else send, headers)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        if scope["method"] == "OPTIONS" and "Access-Control-Request-Method" in headers:
            asked = headers.get("Access-Control-Request-Headers", _ASKED)
            await _preflight(asked)(scope, receive, send)
        elif scope["method"] == "HEAD":  # the server leaves the body of the answer out
            await self._app({**scope, "method": "GET"}, receive, send)
        else:
            await self._app(scope, receive, send)

    def _knows_host(self, given: str, scope: Scope) -> bool:
        """Tell whether a request means this server. HTTP/1.0 needs no Host, and no browser speaks it."""
        if not given:
            return scope.get("http_version") == "1.0"
        name = _split(given)[0]
        if name in self._hosts or _is_loopback(name):
            return True
        server = scope.get("server")
        return self._any_address and server is not None and name == str(server[0]).lower()

    def _knows_origin(self, origin: str, host: str) -> bool:
        """Tell whether a page may call: one of ours, which has our own host and port, or one that is listed."""
        if origin.lower() in self._origins:
            return True
        scheme, found, rest = origin.lower().partition("://")
        usual = _PORTS.get(scheme, "")
        return bool(found) and _split(rest, usual) == _split(host, usual)


def _split(authority: str, port: str = "") -> tuple[str, str]:
    """Split a host from its port, without the brackets of IPv6 and the final dot of a name."""
    name, _, given = authority.strip().lower().rpartition(":")
    if not name or not (given.isdecimal() or not given) or (":" in name and not name.endswith("]")):
        name, given = authority.strip().lower(), ""
    return name.removeprefix("[").removesuffix("]").removesuffix("."), given or port


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _with_cors(send: Send, origin: str) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _SHOWN
            headers.add_vary_header("Origin")
        await send(message)

    return sender


def _preflight(asked: str) -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": asked,
            "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        },
    )


def _misdirected(host: str) -> Response:
    sentence = f'"{host[:200]}" is not a name of this server; if it should be, add it to serve.hosts'
    return error_response(421, ErrorCode.UNKNOWN_HOST, sentence)


def _foreign(origin: str) -> Response:
    sentence = f"pages of {origin[:200]} may not call this server; if they should, add it to serve.cors_origins"
    return error_response(403, ErrorCode.FOREIGN_ORIGIN, sentence)
