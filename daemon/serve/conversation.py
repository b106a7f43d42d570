"""One request under way: what the loop's thread reports becomes pieces of text on the event loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

from hotswapd.codes import Code
from hotswapd.daemon.errors import ErrorCode, FaceError
from hotswapd.swap.codes import AnswerCode
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import Progress, Ticket

from .answerer import Answerer


class AnswerFailed(FaceError):
    """The answer ended in an error; `code` says whether the same request may succeed now."""

    status = 503


@dataclass(frozen=True, slots=True)
class Piece:
    """New text of an answer, its number of tokens so far, and how it ended: ``stop``, ``length``, or None so far."""

    text: str
    tokens: int
    finish: str | None


class Conversation:
    """One request under way. Make and use it on the event loop."""

    def __init__(self, answerer: Answerer, ask: Ask) -> None:
        """Queue the request; raises what `Answerer.start` raises."""
        self.prompt_tokens = len(ask.prompt)
        self._loop = asyncio.get_running_loop()
        self._reports: asyncio.Queue[Progress] = asyncio.Queue()
        self._answerer = answerer
        self._text = answerer.text(ask)
        self.ticket: Ticket = answerer.start(ask, self._on_progress)

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield the answer as it grows. Closing the generator before its end cancels the request.

        Raises AnswerFailed.
        """
        ended = False
        try:
            while not ended:
                progress = await self._latest()
                text = self._text.feed(progress.token_ids, last=progress.finish is not None)
                if progress.finish == "error":
                    ended = True
                    raise AnswerFailed(_code(progress), progress.error or "the model failed this request")
                ended = progress.finish is not None
                finish = "stop" if self._text.stopped else progress.finish
                if finish is not None and not ended:
                    ended = True
                    self._answerer.cancel(self.ticket)  # before its end is told: then it is counted
                yield Piece(text, len(progress.token_ids), finish)
                if finish is not None:
                    return
        finally:
            if not ended:
                self._answerer.cancel(self.ticket)

    async def _latest(self) -> Progress:
        """Wait for a report and return the newest: each has all tokens so far, so older ones can be skipped."""
        progress = await self._reports.get()
        while not self._reports.empty():
            progress = self._reports.get_nowait()
        return progress

    def _on_progress(self, progress: Progress) -> None:
        # This runs on the loop's thread, which must survive a closed event loop.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._reports.put_nowait, progress)


def _code(progress: Progress) -> Code:
    return AnswerCode.NON_FINITE if progress.code == AnswerCode.NON_FINITE else ErrorCode.STEP_FAILED
