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
from hotswapd.daemon.host.sockets import CannotListen, open_tcp
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.app import make_http_app
from hotswapd.daemon.serve.door import open_door
from hotswapd.daemon.serve.names import names_of
from hotswapd.daemon.serve.protocol import DoorProtocol

from .control_socket import ControlSocket

__all__ = ["CannotListen", "Servers"]

log = structlog.get_logger(__name__)
_START_LIMIT = 30.0
_BACKLOG = 128
"""Connections that are accepted at one go, before any of them is counted."""
_QUEUE = 4096
"""Connections that the kernel keeps until they are accepted, if it keeps so many: the next one's client tries again
after a second."""
_CLOSE_IT = "set serve.api_key_file, or serve.host to 127.0.0.1"
_LOOPBACK = ("127.", "::1", "localhost")


class Servers:
    """The HTTP server and the control socket. `start` and `stop` are called on one thread, `stop` at most once."""

    def __init__(self, face: ControlFace, settings: Settings, metrics: Metrics) -> None:
        """Open nothing yet. Raises ConfigError for TLS files that cannot be used."""
        serve = settings.serve
        self._settings = settings
        names = names_of(settings.model.base, serve.model_names, settings.admission.base_models)
        http = make_http_app(face, names, metrics, serve, settings.rollout)
        self._door = open_door(serve, metrics)
        backlog = max(1, min(_BACKLOG, self._door.connections.limits.total // 2))  # of 0 nobody is accepted
        self._http = _Server(http, functools.partial(DoorProtocol, door=self._door), backlog)
        self._face = face
        self._name = ControlSocket(settings.control.socket)
        self._controls = [self._make_control()]
        self._serving: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self._loop = asyncio.new_event_loop()
        self._failure: Exception | None = None
        self.address: tuple[str, int] = (serve.host, serve.port)

    def start(self) -> None:
        """Listen and answer. Raises CannotListen before any thread is started."""
        control = self._name.open()
        try:
            http = open_tcp(*self.address)
        except CannotListen:
            control.close()
            self._name.leave()
            raise
        self.address = http.getsockname()[:2]
        self._warn_when_open()
        self._thread = threading.Thread(target=self._run, args=(http, control), name="servers", daemon=True)
        self._thread.start()
        for server in (self._http, *self._controls):
            if not (server.is_up.wait(_START_LIMIT) and server.started):
                raise CannotListen(StartCode.SERVER_FAILED, f"the servers did not start: {self._failure}")
        log.info("listening", http=f"{self.address[0]}:{self.address[1]}", control=str(self._settings.control.socket))

    def stop(self, drain: float = 5.0) -> None:
        """Close HTTP, give its requests `drain` seconds to end, then close the control socket."""
        if self._thread is None:
            return
        for server in (self._http, *self._controls):
            server.config.timeout_graceful_shutdown = max(1, math.ceil(drain))
            server.should_exit = True
            server.is_down.wait(drain + _START_LIMIT)
        self._thread.join(_START_LIMIT)
        self._thread = None
        self._name.leave()

    def keep_control(self) -> None:
        """Listen on the control socket again if somebody removed its file; what is being answered goes on."""
        sock = self._name.open_again() if self._thread is not None else None
        if sock is None:
            return
        for old in self._controls:
            old.should_exit = True
        fresh = self._make_control()
        self._controls = [*(one for one in self._controls if not one.is_down.is_set()), fresh]
        self.soon(lambda: self._serve(fresh, sock))

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
        self._serve(self._http, http)
        self._serve(self._controls[-1], control)
        while self._serving:
            ended, _ = await asyncio.wait(self._serving, return_when=asyncio.FIRST_COMPLETED)
            self._serving -= ended  # others may have begun meanwhile
            for one in ended:
                one.result()

    def _serve(self, server: "_Server", sock: socket.socket) -> None:
        """Begin to serve; on the event loop."""
        self._serving.add(self._loop.create_task(server.serve_on(sock)))

    def _make_control(self) -> "_Server":
        return _Server(make_control_app(self._face), PeerProtocol)

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
        for sock in sockets or ():
            sock.listen(_QUEUE)  # asyncio has one number for what waits and for what is accepted at one go
        self.is_up.set()
