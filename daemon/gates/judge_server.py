"""A server for one candidate and one judge: on the loopback, with a key for this once."""

import hmac
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request

from hotswapd.daemon.errors import ErrorCode
from hotswapd.daemon.host.sockets import open_tcp
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.errors import install_errors
from hotswapd.daemon.serve.intake import Intake
from hotswapd.daemon.serve.key import Unauthorized
from hotswapd.daemon.serve.names import Which, names_of
from hotswapd.daemon.serve.question import Question
from hotswapd.daemon.serve.requests.kinds import Body
from hotswapd.daemon.serve.speaker import OwnModel
from hotswapd.daemon.serve.v1 import answering_routes
from hotswapd.swap.engine import Engine
from hotswapd.swap.rows.candidate import CANDIDATE
from hotswapd.swap.rows.prompts import Wanted, always

_LIMIT = 10.0
LIVE = Which()


class CandidateAnswerer(Answerer):
    """Answers with the candidate in its own berth, whatever generation a request names."""

    def prepare(self, body: Body, which: Which, key: str = "", wanted: Wanted = always) -> Question:
        """Make the engine's requests. Raises BadRequest."""
        return super().prepare(body, LIVE, wanted=wanted).for_generation(CANDIDATE)


class CandidateServer:
    """Serves `/v1` with the berth that is lent to a candidate, while it is entered. For the worker's thread."""

    def __init__(self, engine: Engine, model: str, key: str) -> None:
        """`model` is the name that requests give it, `key` the API key that every request must have."""
        answerer = CandidateAnswerer(OwnModel(engine))
        app = FastAPI(openapi_url=None)
        install_errors(app)
        v1 = APIRouter(prefix="/v1", dependencies=[Depends(_only_with(key))])
        own = Metrics()  # a judge's requests are not a client's, so they are not counted as such
        v1.include_router(answering_routes(lambda: answerer, names_of(model), own, Intake()))
        app.include_router(v1)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        config.timeout_graceful_shutdown = 1
        self._server = uvicorn.Server(config)
        self.url = ""

    def __enter__(self) -> Self:
        """Listen on a free port. Raises CannotListen."""
        sock = open_tcp("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
        run = lambda: self._server.run(sockets=[sock])  # noqa: E731 - the thread's whole life
        self._thread = threading.Thread(target=run, name="candidate server", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it; requests under way are cancelled."""
        self._server.should_exit = True
        self._thread.join(_LIMIT)


def _only_with(key: str) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key.encode()):
            raise Unauthorized(ErrorCode.INVALID_API_KEY, "this server is only for the judge of a candidate")

    return check
