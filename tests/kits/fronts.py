"""Both servers with a fake daemon behind them, for tests that speak to them as clients and operators do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.control.client import Client
from hotswapd.daemon.control.face import ControlFace
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.service.servers import Servers
from kits.daemon_fakes import FakeFace


@dataclass(frozen=True, slots=True)
class Front:
    """Where both servers listen."""

    servers: Servers
    socket: Path

    @property
    def url(self) -> str:
        """The HTTP server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.servers.address[1]}"

    @property
    def client(self) -> Client:
        """A client of the control socket."""
        return Client(self.socket)


def servers(face: ControlFace, directory: Path, model: str = "m", **serve: Any) -> Servers:
    """Make both servers, on a free port and on `c.sock` in the directory; they are not started."""
    return _servers(face, directory / "c.sock", model, **serve)


def _servers(face: ControlFace, socket: Path, model: str, **serve: Any) -> Servers:
    fields: dict[str, Any] = {
        "model": {"base": model},
        "serve": {"port": 0, **serve},
        "control": {"socket": str(socket)},
    }
    metrics = face.metrics if isinstance(face, FakeFace) else Metrics()
    return Servers(face, Settings(**fields), metrics)


@contextmanager
def front(face: ControlFace, directory: Path, model: str = "m", **serve: Any) -> Iterator[Front]:
    """Serve the face until the block ends."""
    with _started(servers(face, directory, model, **serve), directory / "c.sock") as made:
        yield made


@contextmanager
def front_at(face: ControlFace, socket: Path) -> Iterator[Front]:
    """Serve the face until the block ends, with the control socket in this place."""
    with _started(_servers(face, socket, "m"), socket) as made:
        yield made


@contextmanager
def _started(made: Servers, socket: Path) -> Iterator[Front]:
    made.start()
    try:
        yield Front(made, socket)
    finally:
        made.stop()
