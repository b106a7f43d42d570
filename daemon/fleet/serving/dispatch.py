"""An ingress's way to the replicas: each request has one generation, whichever replicas answer it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import structlog
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from hotswapd.daemon.config.errors import ConfigError
from hotswapd.daemon.errors import ErrorCode, FleetCode, NotReady
from hotswapd.daemon.fleet.beside import Told
from hotswapd.daemon.fleet.book import Book, Tag
from hotswapd.daemon.fleet.looking import Looking
from hotswapd.daemon.fleet.pointed import Pointed
from hotswapd.daemon.fleet.rules import Rules
from hotswapd.daemon.fleet.shared.trail import Follower
from hotswapd.daemon.fleet.wire import OtherVersion, packed, unpacked
from hotswapd.daemon.report.ingresses import Count
from hotswapd.swap.request_codes import AskCode
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.tickets import NoGeneration, QueueFull

from .calls import Line, said, say_unreadable
from .logs import log_to_ray
from .piece import Piece, Wanted
from .place import Together

log = structlog.get_logger(__name__)
GONE = (RayError, RayServeException, grpc.RpcError, TimeoutError, OtherVersion)
"""What a call to a replica raises that has died, is cut off or cannot be read, by whichever way Serve sends calls."""
_SILENT = 5.0
"""Seconds without a message after which a replica counts as cut off; it sends one every half second."""
_PAUSE = 0.05
_NOBODY = 20.0
"""Seconds without a replica that takes it, or goes on with it, after which a request fails."""
_SAYS = 0.3
_ASKED = 1.0
"""Seconds that the watcher may take to say what the newest pointer is, where an ingress cannot read it."""
_ASK_CODES = frozenset(AskCode)


@dataclass(slots=True)
class _Way:
    """Where one request is: what it has got so far, and whom it has met in vain."""

    tag: Tag
    ask: Ask
    since: float
    """When a replica last said something."""
    tokens: list[int] = field(default_factory=list)
    avoid: dict[str, None] = field(default_factory=dict)
    full: set[str] = field(default_factory=set)
    member: str = ""
    taken: bool = False
    finished: bool = False

    def rest(self) -> Ask:
        """Return what is still to be answered: the tokens so far are the end of the prompt."""
        made = len(self.tokens)
        if not made:
            return self.ask
        prompt = (*self.ask.prompt, *self.tokens)
        left, given = self.ask.max_tokens - made, self.ask.given + made
        return replace(self.ask, prompt=prompt, max_tokens=left, given=given, prompt_logprobs=None)

    @property
    def has_all(self) -> bool:
        """Whether every token is there, and only the word that it was the last one is not."""
        return bool(self.tokens) and len(self.tokens) >= self.ask.max_tokens


class Dispatcher:
    """Sends requests to replicas. For one event loop; `handle` is Serve's, to the replicas."""

    def __init__(
        self,
        handle: Any,
        together: Together,
        named: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
        counts: Callable[[], tuple[Count, ...]] = tuple,
    ) -> None:
        """Follow the pointer from now on, and tell the watcher what is under way. Raises Unavailable.

        `named` are channels that exist before anything has gone live in them. `counts` is what was counted of clients.
        """
        self._handle = handle.options(stream=True)
        self.pointed = Pointed(Follower(together.trail()), named, seldom=together.least > 0)
        self._book = Book(uuid4().hex)
        self._line = Line(together.watcher)
        ask = partial(self._ask, Line(together.watcher, _ASKED))
        self._asking = Looking(ask, _ASKED, "the watcher", "watcher_away")
        self._clock = clock
        self._counts = counts
        self._rules = Rules()
        self.resumed = 0
        """How many answers another replica has taken up."""
        self._saying = asyncio.get_running_loop().create_task(self._say())

    def close(self) -> None:
        """Tell the watcher nothing more."""
        self._saying.cancel()

    async def answer(self, channel: str, ask: Ask) -> AsyncIterator[tuple[Tag, Piece]]:
        """Answer by what is live when the request comes, or by the generation that it asks for.

        The first message comes once a replica has taken the request, and has no token yet, maybe; from then on the
        generation stays. Before that it raises NoGeneration, BadAsk, or QueueFull if every replica's queue is full;
        and NotReady if no replica takes it, or none can go on after the death of the one that did.
        """
        way = _Way(await self._tag(channel, ask), ask, self._clock())
        try:
            while not way.finished:
                async for piece in self._by_one(way):
                    yield way.tag, piece
                if not way.finished:
                    await self._go_on(way, channel)
        finally:
            self._book.end(way.tag)

    async def _by_one(self, way: _Way) -> AsyncIterator[Piece]:
        """Pass on what one replica says, until it has said all, refuses or dies."""
        if way.has_all:  # it died before it could say that this was the end
            way.finished = True
            yield Piece(way.member, finish="length")
            return
        wanted, ended = packed(Wanted(way.tag, way.rest())), False
        stream = self._handle.answer.remote(wanted, avoid=tuple(way.avoid))
        try:
            while True:
                piece = unpacked(Piece, await asyncio.wait_for(anext(stream), _SILENT))
                if self._is_news(way, piece):
                    yield piece
        except StopAsyncIteration:
            ended = True
        except OtherVersion as error:
            way.member = error.sender
            say_unreadable(error.sender, str(error))
        except GONE as error:
            log.info("replica_gone", member=way.member, detail=str(error).split("\n", 1)[0])
        finally:
            if not ended:
                stream.cancel()

    def _is_news(self, way: _Way, piece: Piece) -> bool:
        """Take a message in; tell whether the client is to hear of it. Raises BadAsk or QueueFull."""
        way.member = piece.member
        if piece.refused:
            self._require_room(way, piece)
            return False
        first, way.taken, way.since = not way.taken, True, self._clock()
        if first and piece.finish == "error" and piece.code in _ASK_CODES:
            raise BadAsk(AskCode(piece.code), piece.param, piece.error or "the request cannot be answered")
        way.tokens += piece.tokens
        way.finished = piece.finish is not None
        return first or not piece.is_empty

    def _require_room(self, way: _Way, refusal: Piece) -> None:
        """Raise QueueFull if a replica says a second time that its queue is full: then the others have said so, too."""
        if refusal.code != ErrorCode.QUEUE_FULL or way.taken:
            return
        if refusal.member in way.full:
            raise QueueFull(refusal.error or "the queue of every replica is full")
        way.full.add(refusal.member)

    async def _go_on(self, way: _Way, channel: str) -> None:
        """Avoid whom it has just met; what nobody has taken yet is answered by what is live now. Raises NotReady."""
        if self._clock() - way.since > _NOBODY:
            sentence = f"no replica answers with generation {way.tag.number} now; try again"
            raise NotReady(FleetCode.NOT_HELD, sentence)
        if way.member:
            way.avoid[way.member] = None
            way.member = ""
        if way.tokens:
            self.resumed += 1
            log.info("answer_resumed", generation=way.tag.number, tokens=len(way.tokens))
        elif not way.taken:
            tag = await self._tag(channel, way.ask)
            before, way.tag = way.tag, tag
            self._book.end(before)
        await asyncio.sleep(_PAUSE)

    async def _tag(self, channel: str, ask: Ask) -> Tag:
        """Give it a generation by the newest pointer. Between the end of the look and the book nothing else happens."""
        if not await self.pointed.fresh():
            await self._asking.fresh()  # whoever can read the place may have been answered by a newer pointer
        asked, now = ask.generation if isinstance(ask.generation, int) else None, self.pointed.now
        if ask.tag and asked is not None and self.pointed.is_over(channel, asked):
            raise NoGeneration(asked, now.numbers())  # it was routed by a share whose rollout has ended since
        return self._book.tag(channel, now, asked, self.pointed.digests())

    def _ask(self, line: Line) -> None:
        """Let the watcher say what the newest pointer is, on the thread of `Looking`."""
        newest = line.call("newest")
        if newest is not None:
            self.pointed.hear(newest)

    async def _say(self) -> None:
        """Tell the watcher what is under way, as often as it helps; the book is read on this loop only."""
        while True:
            self._book.follow(await asyncio.to_thread(self.pointed.catch_up))
            under_way = replace(
                self._book.say(), scores=self.pointed.scores(), waits=self.pointed.seldom, counts=self._counts()
            )
            message = packed(under_way, under_way.ingress)
            told = said(Told, await asyncio.to_thread(self._line.call, "hear_ingress", message))
            if told is not None:
                self.pointed.tell(told, len(under_way.scores))
                self._renew(told.rules)
            if told is None or not self.pointed.seldom:
                await asyncio.sleep(_SAYS)

    def _renew(self, rules: Rules) -> None:
        """Go by another configuration as far as an ingress can: it knows the channels that it names."""
        if rules.version <= self._rules.version:
            return
        self._rules = rules
        try:
            settings = rules.settings()
        except ConfigError as error:
            log.error("reload_refused", version=rules.version, detail=str(error))  # noqa: TRY400 - the sentence says it
            return
        self.pointed.name(settings.named_channels)
        log_to_ray(settings)
        log.info("reloaded", version=rules.version)
