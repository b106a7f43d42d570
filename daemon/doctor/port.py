"""The port for HTTP and the control socket; a hotswapd that has them already is named, and is fine."""

import http.client
import os
import re
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from hotswapd.daemon.config.paths import NoHome, roots_of
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.tables import Serve
from hotswapd.daemon.control.finding import accepts
from hotswapd.daemon.host.sockets import CannotListen, open_tcp

from .finding import Finding, fails, fine
from .state import existing

_PORT, _SOCKET = "port", "control socket"
_SECONDS = 3.0
_MOST = 1 << 20
_OURS = re.compile(r"^hotswapd_live_generation(?:\{[^}]*\})? (?P<number>[\d.e+]+)$", re.MULTILINE)


def check_port(settings: Settings | None) -> Iterator[Finding]:
    """Listen on the port for a moment, and look at the place of the control socket."""
    serve = settings.serve if settings else Serve()
    yield _listened(serve.host, serve.port)
    try:
        path = settings.control.socket if settings else roots_of(os.environ, os.geteuid()).socket()
    except NoHome:
        return  # the check of the state directory reports it
    yield _place_of(path)


def _listened(host: str, port: int) -> Finding:
    try:
        open_tcp(host, port).close()
    except CannotListen as error:
        known = hotswapd_on(host, port)
        if known:
            return fine(_PORT, f"{host}:{port} is taken by {known}")
        return fails(_PORT, error.sentence, "set serve.port (--port N), or stop what listens there")
    return fine(_PORT, f"{host}:{port or '(a free port)'} can be listened on")


def hotswapd_on(host: str, port: int) -> str:
    """Return which hotswapd answers on a port, empty if it is something else or nothing."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where all addresses can be reached
    text = _metrics(http.client.HTTPConnection(reached, port, timeout=_SECONDS))
    if not text:
        whoever = ssl._create_unverified_context()  # noqa: S323 - nothing secret is sent, and it is only named
        text = _metrics(http.client.HTTPSConnection(reached, port, timeout=_SECONDS, context=whoever))
    found = _OURS.search(text)
    return f"a hotswapd that runs, with generation {float(found['number']):.0f} live" if found else ""


def _metrics(connection: http.client.HTTPConnection) -> str:
    """Return what a server answers for its metrics, empty if it does not answer in HTTP."""
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read(_MOST).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def _place_of(path: Path) -> Finding:
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        return fails(_SOCKET, f"{path} is in the way and is not a socket", "move it, or set control.socket")
    if accepts(path):
        return fine(_SOCKET, f"{path} is used by a daemon that runs")
    place = existing(path.parent)
    if not os.access(place, os.W_OK | os.X_OK):
        return fails(
            _SOCKET, f"{path} cannot be made: {place} cannot be written", "set control.socket to another place"
        )
    return fine(_SOCKET, f"{path} can be made")
