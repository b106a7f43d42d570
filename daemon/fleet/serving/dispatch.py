"""An ingress's way to the replicas: each request has one generation, whichever replicas answer it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import structlog
from ray.exceptions import RayError

from hotswapd.daemon.errors import FleetCode, NotReady
from hotswapd.daemon.fleet.book import Book, Tag
from hotswapd.daemon.fleet.shared.trail import Follower
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.rows.asks import Ask

from .calls import Line
from .piece import Piece, Wanted
from .place import Together

log = structlog.get_logger(__name__)
_SILENT = 5.0
"""Seconds without a message after which a replica counts as cut off; it sends one every half second."""
_PAUSE = 0.05
_TRIES = 400
_SAYS = 0.3


@dataclass(slots=True)
class _Way:
    """Where one request is: what it has got so far, and whom it has met in vain."""

    tag: Tag
    ask: Ask
    tokens: list[int] = field(default_factory=list)
    avoid: dict[str, None] = field(default_factory=dict)
    member: str = ""
    resumed: int = 0

    def rest(self) -> Ask:
        """Return what is still to be answered: the tokens so far are the end of the prompt."""
        made = len(self.tokens)
        prompt = (*self.ask.prompt, *self.tokens)
        return replace(self.ask, prompt=prompt, max_tokens=self.ask.max_tokens - made, given=self.ask.given + made)


class Dispatcher:
    """Sends requests to replicas. For one event loop; `handle` is Serve's, to the replicas."""

    def __init__(self, handle: Any, together: Together) -> None:
        """Follow the pointer from now on, and tell the watcher what is under way. Raises Unavailable."""
        self._handle = handle.options(stream=True)
        self._follower = Follower(together.trail())
        self._book = Book(uuid4().hex)
        self._line = Line(together.watcher)
        self.resumed = 0
        """How many answers another replica has taken up."""
        self._saying = asyncio.get_running_loop().create_task(self._say())

    def close(self) -> None:
        """Tell the watcher nothing more."""
        self._saying.cancel()

    async def answer(self, channel: str, ask: Ask) -> AsyncIterator[tuple[Tag, Piece]]:
        """Answer by what is live when the request comes; each message comes with the generation that it is by.

        Raises NotReady if no replica answers, or if the one that answered died and no other can go on.
        """
        way = _Way(self._tag(channel), ask)
        try:
            for _ in range(_TRIES):
                finished = False
                async for piece in self._by_one(way):
                    finished = piece.finish is not None
                    yield way.tag, piece
                if finished:
                    return
                await self._go_on(way, channel)
        finally:
            self._book.end(way.tag)
        raise NotReady(FleetCode.NOT_HELD, f"no replica answers with generation {way.tag.number} now; try again")

    async def _by_one(self, way: _Way) -> AsyncIterator[Piece]:
        """Pass on what one replica says, until it has said all, refuses or dies."""
        stream, ended = self._handle.answer.remote(Wanted(way.tag, way.rest()), avoid=tuple(way.avoid)), False
        try:
            while True:
                piece: Piece = await asyncio.wait_for(anext(stream), _SILENT)
                way.member = piece.member
                way.tokens += piece.tokens
                if piece.tokens or piece.finish is not None:
                    yield piece
        except StopAsyncIteration:
            ended = True
        except (RayError, TimeoutError) as error:
            log.info("replica_gone", member=way.member, detail=str(error).split("\n", 1)[0])
        finally:
            if not ended:
                stream.cancel()

    async def _go_on(self, way: _Way, channel: str) -> None:
        """Avoid whom it has just met; what has no token yet is answered by what is live now."""
        if way.member:
            way.avoid[way.member] = None
            way.member = ""
        if way.tokens:
            way.resumed += 1
            self.resumed += 1
        else:
            self._book.end(way.tag)
            way.tag = self._tag(channel)
        await asyncio.sleep(_PAUSE)

    def _tag(self, channel: str) -> Tag:
        try:
            self._follower.look()
        except Unavailable as error:  # nobody can move the pointer where it cannot be read
            log.warning("shared_down", detail=error.sentence)
        return self._book.tag(channel, self._follower.now)

    async def _say(self) -> None:
        """Tell the watcher what is under way, as often as it helps; the book is read on this loop only."""
        while True:
            await asyncio.to_thread(self._line.call, "hear_ingress", self._book.say())
            await asyncio.sleep(_SAYS)
