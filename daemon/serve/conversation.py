"""TODO daemon/serve/conversation.py."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from hotswapd.daemon.errors import FaceError
from hotswapd.swap.lanes.asks import Ask
from hotswapd.swap.lanes.lanes import Progress, Ticket

from .answerer import Answerer


class LaneFailed(FaceError):
    """The request's lane failed it; the same request may succeed now."""

    status = 503


@dataclass(frozen=True, slots=True)
class Piece:
    """New text of an answer, how many tokens it has so far, and how it ended when it did."""

    text: str
    tokens: int
    finish: str | None


class Conversation:
    """One request under way, on the event loop."""

    def __init__(self, answerer: Answerer, ask: Ask) -> None:
        """Queue it; raises what `Answerer.start` raises."""
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[Progress] = asyncio.Queue()
        self._answerer = answerer
        self._text = answerer.text(ask)
        self.ticket: Ticket = answerer.start(ask, self._hear)

    async def pieces(self) -> AsyncIterator[Piece]:
        """Give the answer as it grows. Left early, for whatever reason, the request is cancelled."""
        ended = False
        try:
            while not ended:
                progress = await self._latest()
                text = self._text.feed(progress.token_ids, last=progress.finish is not None)
                if progress.finish == "error":
                    ended = True
                    raise LaneFailed("lane_failed", progress.error or "the lane failed this request")
                ended = progress.finish is not None
                finish = "stop" if self._text.stopped else progress.finish
                yield Piece(text, len(progress.token_ids), finish)
                if finish is not None:
                    return
        finally:
            if not ended:
                self._answerer.cancel(self.ticket)

    async def _latest(self) -> Progress:
        """Wait for news; each says all tokens so far, so older news can be passed over."""
        progress = await self._heard.get()
        while not self._heard.empty():
            progress = self._heard.get_nowait()
        return progress

    def _hear(self, progress: Progress) -> None:
        # On a lane's thread, which must survive whatever the event loop does.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._heard.put_nowait, progress)
