"""A real HTTP server with a real tiny model behind it, for the tests that speak to it as clients do."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from openai import OpenAI

from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.app import make_http_app
from hotswapd.daemon.serve.names import names_of
from hotswapd.daemon.serve.speaker import OwnModel
from hotswapd.daemon.serve.split import Split
from hotswapd.swap.engine import Engine
from kits.daemon_fakes import FakeFace
from kits.rows import LONG, Bench, bench

MODEL = "tiny/llama"
GENERATION = "X-Hotswapd-Generation"


class ServedFace(FakeFace):
    """A daemon whose answers come from a real engine."""

    def __init__(self, engine: Engine, split: Split | None = None) -> None:
        super().__init__()
        self._answerer = Answerer(OwnModel(engine), split=split)

    def answerer(self) -> Answerer:
        return self._answerer


class Served:
    """The address of a running server, what is behind it, and OpenAI's own client for it."""

    def __init__(self, made: Bench, port: int, metrics: Metrics) -> None:
        self.bench = made
        self.metrics = metrics
        self.url = f"http://127.0.0.1:{port}"
        self.client = OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=LONG)


@contextmanager
def served(split: Split | None = None, **spec: Any) -> Iterator[Served]:
    """Serve a tiny model on a free port of the loopback; `split` knows channels and rollouts."""
    with bench(**spec) as made:
        face = ServedFace(made.engine, split)
        app = make_http_app(face, names_of(MODEL), face.metrics)
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(made, listener.getsockname()[1], face.metrics)
        finally:
            server.should_exit = True
            thread.join(LONG)
