"""Which daemon a command means when nobody has named its socket: this user's own, else the machine's."""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hotswapd.daemon.config.paths import SYSTEM_SOCKET, NoHome, Roots, roots_of

from .client import Client, NoDaemon, Refused

_SECONDS = 1.0
_TELLS = 10.0
"""Seconds for a daemon to say what it serves: on a busy machine it is slow, and its name alone says less."""
_SYSTEM = "of this machine"


class Several(Exception):
    """More than one daemon of this user runs, and none was named: exit with status 2. The text lists them."""


class Running(NamedTuple):
    """A daemon that accepts connections."""

    name: str
    socket: Path


def find(name: str | None, environ: Mapping[str, str], uid: int) -> Running:
    """Return this user's daemon of this name, or the only one; without any, that of the machine.

    Raises NoDaemon with the places that were tried, or Several.
    """
    roots = _roots(environ, uid)
    running = running_daemons(roots)
    if name is not None:
        return _named(name, running, roots)
    if len(running) > 1:
        raise Several(_listed(running))
    if running:
        return running[0]
    if _may_be_there(SYSTEM_SOCKET):
        return Running(_SYSTEM, SYSTEM_SOCKET)
    raise NoDaemon(
        f"no daemon answers on {_tried(roots)}: start one with hotswapd serve, or name its socket (--socket)"
    )


def running_daemons(roots: Roots) -> list[Running]:
    """Return the daemons of a user that accept connections, in the order of their names."""
    return [Running(name, path) for name, path in roots.found() if accepts(path)]


def accepts(path: Path) -> bool:
    """Tell whether somebody listens on a socket: a daemon that was killed leaves its file behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_SECONDS)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True  # a full backlog: it is busy
        except OSError:
            return False
        return True


def _may_be_there(path: Path) -> bool:
    """Tell whether there is a socket, as far as can be seen: the client explains a directory that is closed to us."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _named(name: str, running: Sequence[Running], roots: Roots) -> Running:
    for one in running:
        if one.name == name:
            return one
    others = f"; there are {', '.join(one.name for one in running)}" if running else ""
    raise NoDaemon(f"no daemon of yours called {name} answers on {roots.socket(name)}{others}")


def _roots(environ: Mapping[str, str], uid: int) -> Roots:
    try:
        return roots_of(environ, uid)
    except NoHome as error:
        raise NoDaemon(str(error)) from None


def _tried(roots: Roots) -> str:
    own = roots.socket()
    return str(own) if own == SYSTEM_SOCKET else f"{own} or {SYSTEM_SOCKET}"


def _listed(running: Sequence[Running]) -> str:
    lines = [f"  {one.name}: {_model(one.socket)}" for one in running]
    return "\n".join([f"{len(running)} daemons of yours run: name one with --name", *lines])


def _model(path: Path) -> str:
    """Return what a daemon serves, in words."""
    try:
        status = Client(path, _TELLS).get("/status")
        return str(status["resident"].get("base") or status["phase"])
    except (NoDaemon, Refused, KeyError, TypeError, AttributeError) as error:
        return f"does not answer ({error})" if isinstance(error, NoDaemon) else "of another version"
