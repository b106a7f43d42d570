"""The control socket's name in the file system: a cleaner of temporary files may take it from a running daemon."""

import os
import socket
from pathlib import Path

import structlog

from hotswapd.daemon.host.sockets import CannotListen, open_control

log = structlog.get_logger(__name__)


class ControlSocket:
    """One path, and the socket file that this process made there last. For one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: tuple[int, int] | None = None
        self._told = ""

    def open(self) -> socket.socket:
        """Listen under this name. Raises CannotListen."""
        sock = open_control(self.path)
        self._made = _file(self.path)
        return sock

    def open_again(self) -> socket.socket | None:
        """Listen under this name again if the file that was made is gone; None if it is there, or cannot be made yet.

        What others put in its place is left alone, and reported once.
        """
        if self._is_ours():
            return None
        try:
            sock = self.open()
        except CannotListen as error:
            if error.sentence != self._told:
                log.error("control_socket_lost", path=str(self.path), detail=error.sentence)  # noqa: TRY400
            self._told = error.sentence
            return None
        self._told = ""
        log.warning(
            "control_socket_made_again",
            path=str(self.path),
            detail="somebody removed its file, perhaps a cleaner of temporary files: exempt it, or set control.socket",
        )
        return sock

    def leave(self) -> None:
        """Remove the file, unless another one is in its place by now."""
        if self._is_ours():
            self.path.unlink(missing_ok=True)
        self._made = None

    def _is_ours(self) -> bool:
        return self._made is not None and _file(self.path) == self._made


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
