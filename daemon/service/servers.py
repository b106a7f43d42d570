"""Both servers on one thread with one event loop, started before the model and stopped after its last answer."""

import asyncio
import contextlib
import functools
import math
import socket
import threading
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.control.app import make_control_app
from hotswapd.daemon.control.face import ControlFace
from hotswapd.daemon.control.peer import PeerProtocol
from hotswapd.daemon.errors import StartCode
from hotswapd.daemon.host.sockets import CannotListen, open_control, open_tcp
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.app import make_http_app
from hotswapd.daemon.serve.door import open_door
from hotswapd.daemon.serve.protocol import DoorProtocol

__all__ = ["CannotListen", "Servers"]

log = structlog.get_logger(__name__)
_START_LIMIT = 30.0
_BACKLOG = 128
"""Connections that are accepted at one go, before any of them is counted."""
_CLOSE_IT = "set serve.api_key_file, or serve.host to 127.0.0.1"
_LOOPBACK = ("127.", "::1", "localhost")


class Servers:
    """The HTTP server and the control socket. `start` and `stop` are called on one thread, `stop` at most once."""

    def __init__(self, face: ControlFace, settings: Settings, metrics: Metrics) -> None:
        """Open nothing yet. Raises ConfigError for TLS files that cannot be used."""
        serve = settings.serve
        self._settings = settings
        http = make_http_app(face, settings.model.base, metrics, serve, settings.rollout)
        self._door = open_door(serve, metrics)
        backlog = min(_BACKLOG, self._door.connections.limits.total // 2)
        self._http = _Server(http, functools.partial(DoorProtocol, door=self._door), backlog)
        self._control = _Server(make_control_app(face), PeerProtocol)
        self._thread: threading.Thread | None = None
        self._loop = asyncio.new_event_loop()
        self._failure: Exception | None = None
        self.address: tuple[str, int] = (serve.host, serve.port)

    def start(self) -> None:
        """Listen and answer. Raises CannotListen before any thread is started."""
        control = open_control(self._settings.control.socket)
        try:
            http = open_tcp(*self.address)
        except CannotListen:
            self._close_control(control)
            raise
        self.address = http.getsockname()[:2]
        self._warn_when_open()
        self._thread = threading.Thread(target=self._run, args=(http, control), name="servers", daemon=True)
        self._thread.start()
        for server in (self._http, self._control):
            if not (server.is_up.wait(_START_LIMIT) and server.started):
                raise CannotListen(StartCode.SERVER_FAILED, f"the servers did not start: {self._failure}")
        log.info("listening", http=f"{self.address[0]}:{self.address[1]}", control=str(self._settings.control.socket))

    def stop(self, drain: float = 5.0) -> None:
        """Close HTTP, give its requests `drain` seconds to end, then close the control socket."""
        if self._thread is None:
            return
        for server in (self._http, self._control):
            server.config.timeout_graceful_shutdown = max(1, math.ceil(drain))
            server.should_exit = True
            server.is_down.wait(drain + _START_LIMIT)
        self._thread.join(_START_LIMIT)
        self._thread = None
        self._settings.control.socket.unlink(missing_ok=True)

    def renew_tls(self) -> None:
        """Read the certificate again, for whoever connects from now on. Raises ConfigError, and keeps the old one."""
        if self._door.tls is not None:
            self._door.tls.renew()

    def soon(self, call: Callable[[], None]) -> None:
        """Have the event loop call it at its next turn; a loop that hangs never does."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call)

    @property
    def alive(self) -> bool:
        """Whether the servers' thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self, http: socket.socket, control: socket.socket) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve_both(http, control))
        except Exception as error:
            self._failure = error
            log.exception("servers_failed")
        finally:
            self._loop.close()

    async def _serve_both(self, http: socket.socket, control: socket.socket) -> None:
        await asyncio.gather(self._http.serve_on(http), self._control.serve_on(control))

    def _close_control(self, control: socket.socket) -> None:
        control.close()
        self._settings.control.socket.unlink(missing_ok=True)

    def _warn_when_open(self) -> None:
        serve = self._settings.serve
        host, keyed = str(self.address[0]), bool(serve.api_key_file or serve.api_keys_file)
        if host.startswith(_LOOPBACK) or (keyed and serve.tls_cert):
            return
        asked = "an API key is asked for, but it travels unencrypted" if keyed else "ANYBODY who reaches it is answered"
        remedy = "set serve.tls_cert, or put TLS in front of it" if keyed else _CLOSE_IT
        log.warning(
            "open_to_the_network", host=host, detail=f"HTTP listens beyond this machine: {asked}", remedy=remedy
        )


class _Server(uvicorn.Server):
    """uvicorn's server. It leaves signals to the service, since it does not run on the main thread."""

    def __init__(self, app: Any, http: Any, backlog: int = _BACKLOG) -> None:
        quiet: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off", "server_header": False}
        super().__init__(uvicorn.Config(app, http=http, ws="none", backlog=backlog, **quiet))
        self.is_up = threading.Event()
        self.is_down = threading.Event()

    async def serve_on(self, sock: socket.socket) -> None:
        try:
            await self.serve(sockets=[sock])
        finally:
            self.is_up.set()
            self.is_down.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.is_up.set()
