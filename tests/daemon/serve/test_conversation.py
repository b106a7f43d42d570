"""One request under way: what the loop's thread reports becomes pieces on the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from kits.daemon_fakes import FakeTicket

from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.conversation import AnswerFailed, Conversation, Piece
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.text import TextStream
from hotswapd.swap.rows.tickets import Progress, Ticket


class Letters(TextStream):
    """One letter for each token; "!" is a stop sequence."""

    def __init__(self) -> None:
        super().__init__(None)
        self.fed = 0

    def feed(self, token_ids: Sequence[int], *, last: bool = False) -> str:
        new, self.fed = token_ids[self.fed :], len(token_ids)
        text = "".join(map(chr, new))
        self.stopped = "!" in text
        return text.partition("!")[0]


class Reporting(Answerer):
    """Reports what it is told to at once, and remembers what was cancelled."""

    def __init__(self, *reports: Progress) -> None:
        self.reports = reports
        self.cancelled: list[Ticket] = []

    def start(self, ask: Ask, on_progress: Callable[[Progress], None]) -> Ticket:
        for one in self.reports:
            on_progress(one)
        return FakeTicket(3, "ab")

    def text(self, ask: Ask) -> TextStream:
        return Letters()

    def cancel(self, ticket: Ticket) -> None:
        self.cancelled.append(ticket)


def progress(text: str, finish: str | None = None) -> Progress:
    return Progress(tuple(map(ord, text)), finish, "the step broke" if finish == "error" else None)


async def converse(answerer: Answerer, most: int = 100) -> list[Piece]:
    """Take at most so many pieces, then leave."""
    pieces = Conversation(answerer, Ask((1, 2), 5)).pieces()
    taken: list[Piece] = []
    async for piece in pieces:
        taken.append(piece)
        if len(taken) == most:
            break
    await pieces.aclose()
    return taken


def test_reports_that_were_overtaken_are_skipped() -> None:
    """Each has all tokens so far, so the newest is enough."""
    answerer = Reporting(progress("a"), progress("ab"), progress("abc", "length"))
    assert asyncio.run(converse(answerer)) == [Piece("abc", 3, "length")]
    assert answerer.cancelled == []


def test_a_stop_sequence_ends_the_answer() -> None:
    answerer = Reporting(progress("hi!more"))
    assert asyncio.run(converse(answerer)) == [Piece("hi", 7, "stop")]
    assert [ticket.generation for ticket in answerer.cancelled] == [3]


def test_leaving_early_cancels() -> None:
    answerer = Reporting(progress("a"))
    assert asyncio.run(converse(answerer, most=1)) == [Piece("a", 1, None)]
    assert len(answerer.cancelled) == 1


@pytest.mark.parametrize(("code", "shown"), [("", "step_failed"), ("non_finite", "non_finite")])
def test_an_answer_that_failed_raises_and_has_nothing_to_cancel(code: str, shown: str) -> None:
    answerer = Reporting(replace(progress("a", "error"), code=code))
    with pytest.raises(AnswerFailed, match="the step broke") as caught:
        asyncio.run(converse(answerer))
    assert (caught.value.code, answerer.cancelled) == (shown, [])


def test_a_report_after_the_loop_has_closed_is_ignored() -> None:
    """It comes on the loop's thread, which must not die of it."""

    async def begin() -> Conversation:
        return Conversation(Reporting(), Ask((1, 2), 5))

    conversation = asyncio.run(begin())
    conversation._on_progress(progress("a"))
    assert conversation.prompt_tokens == 2
