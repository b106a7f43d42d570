"""The replica as Ray Serve runs it: one model, which takes no request before it holds what the pointer names."""

import asyncio
import contextlib
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import ray
import structlog

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.held import Held
from hotswapd.daemon.fleet.replica import Replica
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.trail import Follower
from hotswapd.daemon.host.exits import Exit
from hotswapd.loaders.store.store import Store
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.rows.asks import BadAsk
from hotswapd.swap.rows.tickets import NoGeneration, Progress, QueueFull, Ticket

from .calls import Line, repeat
from .opened import Opened, open_model
from .piece import Piece, Wanted
from .place import Together

log = structlog.get_logger(__name__)
_REPORTS = 0.1
_ALIVE = 0.5
_WHOLE = 1.0


class ReplicaServer:
    """One replica. The constructor returns when it holds what the pointer names, which is when Serve sends requests."""

    def __init__(self, settings: Settings, together: Together) -> None:
        """Load the model and catch up. Raises RuntimeError if what is live is found unfit here: a bad device."""
        self._member = str(ray.get_runtime_context().get_actor_name())
        self._room = tempfile.TemporaryDirectory(prefix="hotswapd-replica-")
        self._opened = open_model(settings)
        self._replica = self._make(self._opened, together)
        self._stop = threading.Event()
        self._patience = together.limits.patience
        self._behind = 0
        line = Line(together.watcher)
        threading.Thread(target=self._work, name="replica", daemon=True).start()
        report = (self._stop, _REPORTS, lambda: self._report(line))
        threading.Thread(target=repeat, args=report, name="reports", daemon=True).start()
        while not self._replica.await_whole(_WHOLE):
            self._require_fit()

    def _make(self, opened: Opened, together: Together) -> Replica:
        trail, store = together.trail(), Store(Path(self._room.name) / "store")
        copies = SharedCopies(trail.place)

        def fetch(digest: str) -> Path:
            return copies.fetch(digest, store, together.most).path

        return Replica(Held(self._member), opened.engine, fetch, Follower(trail), opened.tick)

    def _work(self) -> None:
        try:
            self._replica.run(self._stop)
        except BaseException:
            log.exception("replica_lost", member=self._member)
            os._exit(Exit.RESIDENT_LOST)  # Serve starts another one

    def _report(self, line: Line) -> None:
        orders = line.call("hear", self._replica.report())
        if orders is not None:
            self._replica.obey(orders)

    def _require_fit(self) -> None:
        if sick := self._replica.sick():
            raise RuntimeError(f"what is live is unfit on this replica: {sick}; look at its device")

    def check_health(self) -> None:
        """Raise if it cannot answer with what is live, or has not been able to for `fleet.patience`."""
        self._require_fit()
        self._behind = 0 if self._replica.is_whole() else self._behind + 1
        if self._behind > self._patience:
            raise RuntimeError(f"it has stayed behind the pointer for {self._behind} checks")

    async def answer(self, wanted: Wanted, avoid: tuple[str, ...] = ()) -> AsyncIterator[Piece]:
        """Answer a request of its generation, a message for each step; one message that refuses, if it holds it not.

        `avoid` is for the router.
        """
        del avoid
        news: asyncio.Queue[Progress] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def hear(progress: Progress) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(news.put_nowait, progress)

        started = self._start(wanted, hear)
        if isinstance(started, Piece):
            yield started
            return
        said = 0
        try:
            while True:
                progress = await _newest(news)
                piece = self._piece(progress, said)
                said += len(piece.tokens)
                yield piece
                if piece.finish is not None:
                    return
        finally:
            self._opened.model.cancel(started)

    def _start(self, wanted: Wanted, hear: Callable[[Progress], None]) -> Ticket | Piece:
        """Queue the request, or say why not. The fence comes first."""
        tag = wanted.tag
        if not self._replica.may_answer(tag.number, tag.digest):
            return self._refusal(f"{self._member} does not hold generation {tag.number}")
        try:
            return self._opened.model.submit(replace(wanted.ask, generation=tag.number), hear)
        except (NoGeneration, QueueFull) as error:
            return self._refusal(str(error))
        except BadAsk as error:
            return Piece(self._member, finish="error", error=str(error), code=error.code)
        except ResidentLost as error:
            log.error("replica_lost", member=self._member, detail=str(error))  # noqa: TRY400 - the sentence says it
            os._exit(Exit.RESIDENT_LOST)

    def _refusal(self, why: str) -> Piece:
        return Piece(self._member, error=why, code=FleetCode.NOT_HELD, refused=True)

    def _piece(self, progress: Progress | None, said: int) -> Piece:
        if progress is None:
            return Piece(self._member)
        return Piece(
            self._member,
            progress.token_ids[said:],
            progress.finish,
            progress.error,
            progress.code,
            progress.logprobs[said:],
            progress.prompt_logprobs,
        )


async def _newest(news: "asyncio.Queue[Progress]") -> Progress | None:
    """Return the newest of what there is, None if there is nothing for a while: whoever waits knows that we live."""
    try:
        found = await asyncio.wait_for(news.get(), _ALIVE)
    except TimeoutError:
        return None
    prompt = found.prompt_logprobs
    while not news.empty():
        found = news.get_nowait()
        prompt = prompt or found.prompt_logprobs
    return replace(found, prompt_logprobs=prompt)
