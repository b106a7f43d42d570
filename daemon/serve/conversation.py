"""One request under way: what the loop's thread reports becomes pieces of text on the event loop."""

import asyncio
import functools
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

from hotswapd.codes import Code
from hotswapd.daemon.errors import ErrorCode, FaceError
from hotswapd.swap.request_codes import AnswerCode
from hotswapd.swap.rows.text import TextStream
from hotswapd.swap.rows.tickets import Progress, TokenLogprobs

from .answerer import Answerer
from .question import Question
from .speaker import Taken


class AnswerFailed(FaceError):
    """The answer ended in an error; `code` says whether the same request may succeed now."""

    status = 503


@dataclass(frozen=True, slots=True)
class Piece:
    """New text of one answer, its number of tokens so far, and how it ended: ``stop``, ``length``, or None so far.

    `index` is the answer's place in the request. `logprobs` are those of the new tokens, `prompt_logprobs` come with
    the first piece.
    """

    text: str
    tokens: int
    finish: str | None
    index: int = 0
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logprobs: tuple[TokenLogprobs | None, ...] = ()


class _Answer:
    """One answer as it grows."""

    def __init__(self, index: int, text: TextStream) -> None:
        self._index = index
        self._text = text
        self._scored = 0

    def piece(self, progress: Progress, prompt_logprobs: tuple[TokenLogprobs | None, ...]) -> Piece:
        """Return what is new in a report."""
        text = self._text.feed(progress.token_ids, last=progress.finish is not None)
        logprobs = progress.logprobs[self._scored :]
        self._scored += len(logprobs)
        finish = "stop" if self._text.stopped else progress.finish
        return Piece(text, len(progress.token_ids), finish, self._index, logprobs, prompt_logprobs)


class _Reports:
    """What is reported of all answers of a request. Make it on the event loop; `hear` is legal on any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[int, Progress]] = asyncio.Queue()

    def hear(self, index: int, progress: Progress) -> None:
        # The thread of whoever answers must survive a closed event loop.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._queue.put_nowait, (index, progress))

    async def latest(self) -> dict[int, tuple[Progress, tuple[TokenLogprobs | None, ...]]]:
        """Wait for reports; return the newest of each answer, with the prompt's log-probabilities if they came.

        Each report has all tokens so far, so older ones can be skipped, but for what comes only once.
        """
        index, progress = await self._queue.get()
        latest = {index: (progress, progress.prompt_logprobs)}
        while not self._queue.empty():
            index, progress = self._queue.get_nowait()
            before = latest[index][1] if index in latest else ()
            latest[index] = progress, progress.prompt_logprobs or before
        return latest


class Conversation:
    """One request under way. `begin` it and use it on the event loop."""

    def __init__(self, answerer: Answerer, question: Question, reports: _Reports, taken: list[Taken]) -> None:
        """Gather what is reported of all answers that were taken."""
        self.prompt_tokens = question.prompt_tokens
        self.channel = question.asks[0].name
        self._answerer = answerer
        self._answers = [_Answer(index, answerer.text(ask)) for index, ask in enumerate(question.asks)]
        self._reports = reports
        self._taken = taken

    @classmethod
    async def begin(cls, answerer: Answerer, question: Question) -> "Conversation":
        """Have the request answered; raises what `Answerer.start` raises."""
        reports = _Reports()
        listeners = [functools.partial(reports.hear, index) for index in range(len(question.asks))]
        return cls(answerer, question, reports, await answerer.start(question.asks, listeners))

    @property
    def count(self) -> int:
        """How many answers there are."""
        return len(self._answers)

    @property
    def taken(self) -> Taken:
        """The first answer's; all of them come from one generation."""
        return self._taken[0]

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield the answers as they grow. Closing the generator before its end cancels the request.

        Raises AnswerFailed.
        """
        running = set(range(len(self._taken)))
        try:
            while running:
                for index, (progress, prompt_logprobs) in (await self._reports.latest()).items():
                    if index not in running:
                        continue
                    if progress.finish is not None:
                        running.discard(index)
                    if progress.finish == "error":
                        raise AnswerFailed(_code(progress), progress.error or "the model failed this request")
                    piece = self._answers[index].piece(progress, prompt_logprobs)
                    if piece.finish is not None and index in running:
                        running.discard(index)
                        # before its end is told: then it is counted, as one that its client has whole
                        self._answerer.cancel(self._taken[index], "stop")
                    yield piece
        finally:
            for index in running:
                self._answerer.cancel(self._taken[index])


def _code(progress: Progress) -> Code:
    return AnswerCode.NON_FINITE if progress.code == AnswerCode.NON_FINITE else ErrorCode.STEP_FAILED
