"""Who is at the other end of the control socket. The kernel tells it of each connection, so nobody can pretend."""

import asyncio
import socket
import struct
from typing import Any

from fastapi import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from .face import Peer

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class PeerProtocol(H11Protocol):
    """uvicorn's protocol, which puts the connection's `Peer` into the state of each of its requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own is
        """Ask the kernel once per connection; its answer is about the process that connected, even after its end."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "peer": peer_of(transport.get_extra_info("socket"))}


def peer_of(sock: Any) -> Peer | None:
    """Return who connected a Unix socket, None for any other kind of socket and for none."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    return Peer(*_CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)))


def peer(request: Request) -> Peer | None:
    """Return who sent a request, None if the connection has no peer."""
    found = getattr(request.state, "peer", None)
    return found if isinstance(found, Peer) else None
