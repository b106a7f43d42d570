"""A client for a fleet: its control API over HTTP, with the operator's key."""

import http.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .client import Client, NoDaemon, Refused

PREFIX = "/control"
"""Where an ingress has the control API."""
_NOWHERE = "not_found"


class BadUrl(Exception):
    """The address or the key cannot be used: exit with status 2. The text says why."""


class FleetClient(Client):
    """The control API of a fleet, at an ingress."""

    def __init__(self, url: str, key: str, timeout: float | None = None) -> None:
        """Connect to nobody yet. Raises BadUrl."""
        super().__init__(Path(url), timeout)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadUrl(f"--url: {url!r} is no address of a fleet; write http://HOST:PORT")
        self.where = url.rstrip("/")
        self._connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._at = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/") + PREFIX
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}

    def connect(self, limit: float) -> http.client.HTTPConnection:
        """Make a connection to the ingress."""
        return self._connection(self._at, timeout=limit)

    def request(self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None) -> None:
        """Send one, with the key."""
        connection.request(method, f"{self._prefix}{path}", body, self._headers)

    def unreachable(self, reason: object) -> str:
        """Say that nobody answers, and why."""
        return f"no fleet answers at {self.where} ({reason}): is it deployed, and is this its address?"

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        try:
            return super()._ask(method, path, body)
        except Refused as error:
            if error.code != _NOWHERE:
                raise
            sentence = f"{self.where} takes no operator's requests: set control.key_file in the fleet's configuration"
            raise NoDaemon(sentence) from None


def read_key(file: Path | None) -> str:
    """Read the operator's key. Raises BadUrl."""
    if file is None:
        raise BadUrl("--url needs --key-file: the file with the operator's key, see control.key_file")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadUrl(f"--key-file: {file} cannot be read: {reason}") from None
