"""uvicorn's HTTP protocol with time limits for whoever says nothing, half of a request, or reads no answer."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import h11
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .connections import Doing
from .door import Door
from .tls import Tls

_SEND_BUFFER = 128 << 10
"""Bytes of an answer that the kernel keeps for a client; by itself it keeps megabytes for one that reads nothing."""
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: 26\r\n\r\ntoo many connections here\n"
)
_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: 33\r\n\r\nthe request did not come in time\n"
)


class DoorProtocol(H11Protocol):
    """One connection. On the event loop.

    It is closed after `idle_timeout` without a request, `read_timeout` after the first byte of a request that is still
    not complete, and `read_timeout` after its client has stopped reading an answer. Refusals (4xx) of an address that
    has had many of them wait their turn (`Tarpit`); the connection may meanwhile be closed to make room.
    """

    def __init__(self, *args: Any, door: Door, **kwargs: Any) -> None:
        """Take what uvicorn gives each protocol, and the door."""
        super().__init__(*args, **kwargs)
        self._inner, self.app = self.app, self._answer
        self.address = ""
        self._door = door
        self._doing = Doing.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._securing: asyncio.Task[None] | None = None
        self._shaking_hands = False
        self._early = b""

    def leave(self) -> None:
        """Close the connection at once."""
        self._closing().abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own is
        """Take the connection in, or refuse it; then let it shake hands, if TLS is asked for."""
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._plain = transport
        _bound(transport.get_extra_info("socket"), self._door.read_timeout)
        taken = self._door.connections.add(self)
        if self._door.tls is not None:
            if not taken:
                transport.abort()
                return
            transport.pause_reading()
            self._shaking_hands = True
            self._securing = self.loop.create_task(self._secure(transport, self._door.tls))
            return
        super().connection_made(transport)
        if taken:
            self._arm(self._door.idle_timeout, self._on_idle)
        else:
            self._end_with(_FULL)

    async def _secure(self, transport: asyncio.Transport, tls: Tls) -> None:
        """Shake hands; a client that does not in time has gone."""
        limit = self._door.read_timeout
        try:
            secure = await self.loop.start_tls(
                transport, self, tls.context, server_side=True, ssl_handshake_timeout=limit, ssl_shutdown_timeout=1.0
            )
        except (OSError, ssl.SSLError, TimeoutError):
            transport.abort()
            self._door.connections.remove(self)
            return
        if secure is None or transport.is_closing():
            self._door.connections.remove(self)
            return
        super().connection_made(secure)
        self._arm(self._door.idle_timeout, self._on_idle)
        self._shaking_hands = False
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def data_received(self, data: bytes) -> None:
        """Read on; a request that begins must be complete in time."""
        if self._shaking_hands:  # the request came with the end of the handshake, before its task went on
            self._early += data
            return
        if self._doing is Doing.IDLE:
            self._turn_to(Doing.SENDING)
        super().data_received(data)
        self._settle()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        super().on_response_complete()
        self._settle()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the app answer; keep a refusal back for as long as this address has to wait for it."""

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start" and 400 <= message["status"] < 500:
                await self._keep_back()
            await send(message)

        await self._inner(scope, receive, sender)

    async def _keep_back(self) -> None:
        wait = self._door.refused(self.address)
        if wait:
            self._door.connections.now(self, Doing.SENDING)  # of those who could go when the table is full
            await asyncio.sleep(wait)
            self._door.connections.now(self, self._doing)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, as any other refusal."""
        wait = self._door.refused(self.address)
        if wait:
            self.transport.pause_reading()
            self.loop.call_soon(self._door.connections.now, self, Doing.SENDING)  # once `data_received` has ended
            self.loop.call_later(wait, self._refuse_garbage, msg)
        else:
            super().send_400_response(msg)

    def _refuse_garbage(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """Give the client time to read; once it is over the connection is gone."""
        super().pause_writing()
        self._stop(self._unread)
        self._unread = self.loop.call_later(self._door.read_timeout, self.leave)

    def resume_writing(self) -> None:
        """Stop the clock: the client reads."""
        super().resume_writing()
        self._stop(self._unread)
        self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._door.connections.remove(self)
        self._stop(self._timer)
        if self.transport is not None:
            super().connection_lost(exc)
        self._stop(self._unread)  # uvicorn resumes writing, which ends no wait of ours

    def timeout_keep_alive_handler(self) -> None:
        """Do nothing: the idle timer is ours."""

    def _settle(self) -> None:
        """Find out what the connection does now, and what it has time for."""
        if self.transport.is_closing():
            self._arm(self._door.read_timeout, self.leave)  # a client that reads nothing would keep it for ever
            return
        theirs = self.conn.their_state
        if theirs is h11.IDLE:
            self._turn_to(Doing.SENDING if self.conn.trailing_data[0] else Doing.IDLE)
        elif theirs is h11.SEND_BODY:
            self._turn_to(Doing.SENDING)
        else:
            self._turn_to(Doing.ANSWERED)

    def _turn_to(self, doing: Doing) -> None:
        if doing is self._doing:
            return
        self._doing = doing
        self._door.connections.now(self, doing)
        match doing:
            case Doing.IDLE:
                self._arm(self._door.idle_timeout, self._on_idle)
            case Doing.SENDING:
                self._arm(self._door.read_timeout, self._on_late)
            case Doing.ANSWERED:
                self._stop(self._timer)

    def _on_idle(self) -> None:
        if self.transport.get_write_buffer_size():
            self.leave()
        else:
            self._end_with(b"")

    def _on_late(self) -> None:
        """Tell the client, unless its answer has begun, and the app, which sees it as a client that has gone."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        begun = self.cycle is not None and self.cycle.response_started and self.conn.their_state is h11.SEND_BODY
        self._end_with(b"" if begun else _LATE)

    def _end_with(self, words: bytes) -> None:
        if self.transport.is_closing():
            return
        with contextlib.suppress(h11.LocalProtocolError):
            self.conn.send(h11.ConnectionClosed())
        if words:
            self.transport.write(words)
        self.transport.close()
        self._arm(self._door.read_timeout, self.leave)

    def _closing(self) -> asyncio.Transport:
        return self.transport if self.transport is not None else self._plain

    def _arm(self, seconds: float, call: Callable[[], None]) -> None:
        self._stop(self._timer)
        self._timer = self.loop.call_later(seconds, call)

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


def _bound(sock: Any, seconds: float) -> None:
    """Have the kernel keep little for a client, and give up on one that acknowledges nothing."""
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
