"""The two sockets that the daemon listens on, opened before anything slow, so that a mistake shows at once."""

import os
import socket
import stat
from pathlib import Path

from hotswapd.daemon.errors import StartCode

_BACKLOG = 128
_MODE = 0o660


class CannotListen(Exception):
    """A socket cannot be opened: exit with status 75, since what holds it may go away. `sentence` says which one."""

    def __init__(self, code: StartCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def open_tcp(host: str, port: int) -> socket.socket:
    """Listen on an address; `port` 0 takes a free one. Raises CannotListen.

    Every connection sends small pieces at once (``TCP_NODELAY``, which Linux hands down). asyncio sees to that only for
    sockets that name their protocol, which Python's own do not: then the body of an answer waits until its head is
    acknowledged, and a client takes 40 ms for that.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = error.strerror or error
        raise CannotListen(
            StartCode.ADDRESS_IN_USE,
            f"{host}:{port} cannot be listened on ({reason}); choose another serve.port or serve.host",
        ) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def open_control(path: Path) -> socket.socket:
    """Listen on a Unix socket of mode 0660; replace one that a dead daemon left. Raises CannotListen."""
    _make_room(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(sock.fileno(), _MODE)  # before it has a name, so that nobody else can be first
        sock.bind(str(path))
        path.chmod(_MODE)  # the umask has taken the bits of the group away
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise CannotListen(
            StartCode.SOCKET_UNUSABLE, f"control socket {path} cannot be made: {error.strerror or error}"
        ) from None
    return sock


def _make_room(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(
                StartCode.SOCKET_UNUSABLE, f"{path} is in the way and is not a socket: move it, or set control.socket"
            )
        if _answers(path):
            raise CannotListen(
                StartCode.ALREADY_RUNNING, f"another hotswapd answers on {path}: stop it, or set control.socket"
            )
        path.unlink()
    except FileNotFoundError:
        return  # the usual case
    except OSError as error:
        raise CannotListen(
            StartCode.SOCKET_UNUSABLE, f"control socket {path} cannot be made: {error.strerror or error}"
        ) from None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # a full backlog, or no right to ask: somebody is there
        return True
