"""What one replica answers, message by message, on its event loop. The fence comes before everything."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any, NoReturn

from hotswapd.codes import Code
from hotswapd.daemon.errors import ErrorCode, FleetCode
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.text import TextStream
from hotswapd.swap.rows.tickets import NoGeneration, Progress, QueueFull, Ticket

from .piece import Described, Piece, Wanted

_ALIVE = 0.5
"""Seconds after which a message says that the replica lives, if nothing else is to be said."""
APART = 0.010
"""Seconds between two messages with tokens of one answer, if it does not end: a message through Ray costs more of the
processor than a small model's step, see `fleet.cpu` of the benchmark. A step that takes longer is never waited for.
"""


class Replies:
    """The answers of one replica, by its model. For one event loop."""

    def __init__(
        self,
        member: str,
        model: Engine,
        may_answer: Callable[[int, str], bool],
        on_lost: Callable[[ResidentLost], NoReturn],
        apart: float = APART,
    ) -> None:
        """`may_answer` is the fence; `on_lost` ends the process, so that Serve starts another one."""
        self._member = member
        self._model = model
        self._may_answer = may_answer
        self._on_lost = on_lost
        self._apart = apart

    def describe(self) -> Described:
        """Say what an ingress needs to know of the model."""
        language = self._model.language
        return Described(language.context, language.vocabulary, language.usual)

    async def answer(self, wanted: Wanted) -> AsyncGenerator[Piece, None]:
        """Answer a request of its generation: a message once it is queued, then what there is each few milliseconds.

        It is one message that refuses, if this replica does not hold the generation, or its queue is full.
        """
        news: asyncio.Queue[Progress] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def hear(progress: Progress) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(news.put_nowait, progress)

        started = self._start(wanted, hear)
        if isinstance(started, Piece):
            yield started
            return
        text = _Text(wanted.ask, self._model.language.tokenizer)
        said, how, earliest = 0, "cancelled", 0.0
        try:
            yield Piece(self._member)
            while True:
                progress = await _newest(news, earliest)
                if progress is not None and text.stops_at(progress):
                    how, progress = "stop", replace(progress, finish="stop")
                    self._model.cancel(started, how)  # before its end is told: then it is counted as one that is whole
                piece = self._piece(progress, said)
                said += len(piece.tokens)
                yield piece
                earliest = loop.time() + self._apart
                if piece.finish is not None:
                    return
        finally:
            self._model.cancel(started, how)

    def _start(self, wanted: Wanted, hear: Callable[[Progress], None]) -> Ticket | Piece:
        """Queue the request, or say why not."""
        tag = wanted.tag
        if not self._may_answer(tag.number, tag.digest):
            return self._refusal(f"{self._member} does not hold generation {tag.number}", FleetCode.NOT_HELD)
        try:
            return self._model.submit(replace(wanted.ask, generation=tag.number), hear)
        except NoGeneration as error:
            return self._refusal(str(error), FleetCode.NOT_HELD)
        except QueueFull as error:
            return self._refusal(str(error), ErrorCode.QUEUE_FULL)
        except BadAsk as error:
            return Piece(self._member, finish="error", error=str(error), code=error.code, param=error.param)
        except ResidentLost as error:
            self._on_lost(error)

    def _refusal(self, why: str, code: Code) -> Piece:
        return Piece(self._member, error=why, code=code, refused=True)

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


class _Text:
    """What an answer says, with the part of it that another replica has made: a stop sequence may begin there."""

    def __init__(self, ask: Ask, tokenizer: Any) -> None:
        self._stream = TextStream(tokenizer, ask.stop)
        self._has_stops = bool(ask.stop)
        self._given = ask.prompt[len(ask.prompt) - ask.given :]

    def stops_at(self, progress: Progress) -> bool:
        """Take in what there is of the answer; tell whether a stop sequence ends it before it ends by itself."""
        if self._has_stops:
            self._stream.feed((*self._given, *progress.token_ids))
        return self._stream.stopped and progress.finish is None


async def _newest(news: "asyncio.Queue[Progress]", earliest: float) -> Progress | None:
    """Return the newest of what there is at this time of the loop's clock, or the end as soon as it comes.

    It is None if there is nothing for a while: whoever waits knows that we live.
    """
    found, clock = await _next(news, _ALIVE), asyncio.get_running_loop().time
    if found is None:
        return None
    prompt = found.prompt_logprobs
    while found.finish is None and (newer := await _next(news, earliest - clock())) is not None:
        found, prompt = newer, prompt or newer.prompt_logprobs
    return replace(found, prompt_logprobs=prompt)


async def _next(news: "asyncio.Queue[Progress]", seconds: float) -> Progress | None:
    """Return what comes within this time, None if nothing does."""
    if not news.empty():
        return news.get_nowait()
    if seconds <= 0:
        return None
    try:
        return await asyncio.wait_for(news.get(), seconds)
    except TimeoutError:
        return None
