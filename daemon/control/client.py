"""A client for a running daemon's control socket. Every command waits for this import."""

import grp
import http.client
import json
import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotswapd.daemon.config.paths import SYSTEM_SOCKET

ANSWER_LIMIT = 5.0
"""Seconds within which a healthy daemon answers a question."""
CHANGE_LIMIT = 180.0
"""Seconds for a change: a rollback waits until the worker is done with its present candidate."""
_ENVIRONMENT = "HOTSWAPD_CONTROL__SOCKET"


class NoDaemon(Exception):
    """No daemon answers on the socket, or you may not open it: exit with status 4."""


class Refused(Exception):
    """The daemon refused: an HTTP `status`, a stable `code` and a sentence."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


def told_socket(given: Path | None, config: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the socket's path: the one given, else the environment's, else the configuration's; None without any.

    The rest of the configuration is ignored: a running daemon must stay within reach while its file is being edited.
    Raises NoDaemon if the file cannot be read.
    """
    if given is not None:
        return given
    if environ.get(_ENVIRONMENT):
        return Path(environ[_ENVIRONMENT])
    return None if config is None else _configured(config)


def _configured(config: Path) -> Path:
    try:
        control = tomllib.loads(config.read_text(encoding="utf-8")).get("control", {})
        return Path(control.get("socket", SYSTEM_SOCKET))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise NoDaemon(f"{config} does not say where the control socket is: {error}") from None


class Client:
    """One daemon's control socket. A subclass reaches it another way."""

    def __init__(self, path: Path, timeout: float | None = None) -> None:
        """`timeout` (seconds) bounds each answer, in place of the two limits above."""
        self.path = path
        self.where = str(path)
        self._timeout = timeout

    def connect(self, limit: float) -> http.client.HTTPConnection:
        """Make what sends requests; `limit` is in seconds."""
        return _UnixConnection(self.path, limit)

    def request(self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None) -> None:
        """Send one."""
        connection.request(method, path, body, {"Content-Type": "application/json"})

    def unreachable(self, reason: object) -> str:
        """Say that nobody answers, and why."""
        return f"no daemon answers on {self.where} ({reason}): is it running, and is this its socket?"

    def get(self, path: str) -> Any:
        """Ask a question and return the JSON answer. Raises NoDaemon or Refused."""
        return self._ask("GET", path, None)

    def post(self, path: str, fields: Mapping[str, Any]) -> Any:
        """Ask for a change and return the JSON answer. Raises NoDaemon or Refused."""
        return self._ask("POST", path, json.dumps(fields).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        limit = self._timeout or (ANSWER_LIMIT if method == "GET" else CHANGE_LIMIT)
        connection = self.connect(limit)
        try:
            self.request(connection, method, path, body)
            response = connection.getresponse()
            return _read(response.status, response.read())
        except TimeoutError:
            raise NoDaemon(
                f"the daemon on {self.where} did not answer within {limit:g} s: it hangs, or its machine is very busy; "
                "look at its log, and restart it if that does not change"
            ) from None
        except PermissionError:
            raise NoDaemon(_not_allowed(self.path)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise NoDaemon(self.unreachable(reason)) from None
        finally:
            connection.close()


def _not_allowed(path: Path) -> str:
    """Name those who may open the socket, and how to become one of them."""
    try:
        found = path.stat()
    except OSError:
        return f"{path} is out of your reach: you may not enter one of its directories; ask as root"
    group = _group_name(found.st_gid)
    return (
        f"only its owner and the group {group} may open {path}: ask with sudo, or join the group "
        f"(sudo usermod -aG {group} $USER) and log in again"
    )


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("hotswapd", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _read(status: int, body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except ValueError:
        raise NoDaemon("the process on this socket is not hotswapd") from None
    if status < 400:
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        raise NoDaemon("the process on this socket is not hotswapd")
    raise Refused(status, str(error.get("code")), str(error.get("message")))
