"""A fleet's HTTP API without Ray: the real ingress, and replicas whose answers come from one real tiny model.

Only what lies between them stands for Serve: a handle that calls whichever replica is not to be avoided, and can let
one die in mid-answer.
"""

import asyncio
import socket
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from hotswapd.daemon.config.tables import Serve
from hotswapd.daemon.fleet.book import Tag
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.orders import is_base
from hotswapd.daemon.fleet.shared.trail import Term
from hotswapd.daemon.fleet.wire import Packed, unpacked
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.app import USUAL, make_ingress_app
from hotswapd.daemon.serve.names import names_of
from hotswapd.swap.berths.image import Image
from kits.fleet import record
from kits.rows import LONG, Bench, bench
from kits.serving import MODEL, Served

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own
    exceptions = pytest.importorskip("ray.exceptions", reason="the extra `ray` is not installed")
    from hotswapd.daemon.fleet.serving.calls import Line
    from hotswapd.daemon.fleet.serving.dispatch import Dispatcher
    from hotswapd.daemon.fleet.serving.ingress import IngressFace
    from hotswapd.daemon.fleet.serving.piece import Piece, Wanted
    from hotswapd.daemon.fleet.serving.place import Together
    from hotswapd.daemon.fleet.serving.replies import Replies

__all__ = ["FleetServed", "Line", "Replies", "Tag", "Wanted", "exceptions", "fleet_served", "record"]
MEMBERS = ("x", "y")


class Pointing(Bench):
    """A bench whose swaps move a fleet's pointer."""

    def __init__(self, made: Bench, term: Term) -> None:
        super().__init__(made.engine, threading.Event())
        self.term = term

    def route(self, image: Image, index: int, name: str = "default") -> int:
        number = super().route(image, index, name)
        now = self.term.now
        self.term.write(now.next({**now.routes, name: record(number, name, image.digest)}))
        return number

    def may_answer(self, number: int, digest: str) -> bool:
        """Tell what a replica's fence does: whether these bytes are open under this number."""
        held = [one.image for one in self.rows._routes if one.image.number == number]
        return is_base(number, digest) or any(one.digest == digest for one in held)


class Handle:
    """Stands for Serve's: the replica of each call is the first that is not to be avoided.

    `dies_after` has the tokens after which the next answers' replicas die, one for each answer.
    """

    def __init__(self, replies: dict[str, Replies]) -> None:
        self.replies = replies
        self.dies_after: list[int] = []
        self.wanted: list[tuple[str, Wanted]] = []
        self.answer = self

    def options(self, **_: Any) -> "Handle":
        return self

    def remote(self, content: Packed, avoid: tuple[str, ...]) -> "_Stream":
        member = next((one for one in self.replies if one not in avoid), next(iter(self.replies)))
        wanted = unpacked(Wanted, content)
        self.wanted.append((member, wanted))
        return _Stream(self.replies[member].answer(wanted), self.dies_after.pop(0) if self.dies_after else None)


class _Stream:
    def __init__(self, pieces: AsyncIterator[Piece], dies_after: int | None) -> None:
        self.steps = _until_death(pieces, dies_after)
        self.tasks: set[asyncio.Task[None]] = set()

    def __anext__(self) -> Any:
        return self.steps.__anext__()

    def cancel(self) -> None:
        task = asyncio.get_running_loop().create_task(_close(self.steps))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def _until_death(pieces: Any, dies_after: int | None) -> Any:
    """Pass messages on up to so many tokens: a message may have several, and then it is cut."""
    left = dies_after
    try:
        async for piece in pieces:
            if left is None or len(piece.tokens) < left:
                yield piece
                left = None if left is None else left - len(piece.tokens)
                continue
            yield replace(piece, tokens=piece.tokens[:left], logprobs=piece.logprobs[:left], finish=None)
            raise exceptions.RayActorError
    finally:
        await pieces.aclose()


async def _close(steps: Any) -> None:
    await steps.aclose()


class FleetServed(Served):
    """What `Served` has, and the handle by which the ingress reaches its replicas."""

    def __init__(self, made: Pointing, port: int, metrics: Metrics, handle: Handle) -> None:
        super().__init__(made, port, metrics)
        self.handle = handle


@contextmanager
def fleet_served(room: Path, serve: Serve = USUAL, **spec: Any) -> Iterator[FleetServed]:
    """Serve a tiny model by two replicas and one ingress, on a free port of the loopback."""
    together = Together(str(room / "shared"), "nobody", Limits())
    with bench(**spec) as plain, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Line, "call", lambda *_: None)
        made = Pointing(plain, Term.begin(together.trail(), "w"))
        handle = Handle({one: Replies(one, made.engine, made.may_answer, _never) for one in MEMBERS})
        metrics, listener = Metrics(), socket.create_server(("127.0.0.1", 0))
        stop = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(_serve(handle, together, metrics, serve, listener, stop)))
        thread.start()
        try:
            yield FleetServed(made, listener.getsockname()[1], metrics, handle)
        finally:
            stop.set()
            thread.join(LONG)


async def _serve(
    handle: Handle, together: Together, metrics: Metrics, serve: Serve, listener: socket.socket, stop: threading.Event
) -> None:
    dispatcher = Dispatcher(handle, together, named=["empty"])
    one = next(iter(handle.replies.values()))
    face = IngressFace(dispatcher, one._model.language.tokenizer)
    face.meet(one.describe())
    app = make_ingress_app(face, names_of(MODEL), metrics, serve)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.to_thread(stop.wait)
    server.should_exit = True
    await serving
    dispatcher.close()


def _never(error: Exception) -> Any:
    raise AssertionError(f"the model was lost: {error}")
