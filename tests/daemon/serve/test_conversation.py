"""One request under way: what the loop's thread reports becomes pieces on the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from kits.daemon_fakes import FakeTicket

from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.conversation import AnswerFailed, Conversation, Piece
from hotswapd.daemon.serve.question import Question
from hotswapd.daemon.serve.speaker import Taken
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.text import TextStream
from hotswapd.swap.rows.tickets import Progress, TokenLogprobs


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
    """Reports what it is told to at once, one list for each ask, and remembers what was cancelled."""

    def __init__(self, *reports: list[Progress]) -> None:
        self.reports = reports
        self.cancelled: list[Taken] = []
        self.finishes: list[str] = []

    async def start(self, asks: Sequence[Ask], listeners: Sequence[Callable[[Progress], None]]) -> list[Taken]:
        for hear, reports in zip(listeners, self.reports, strict=True):
            for one in reports:
                hear(one)
        return [FakeTicket(3 + place, "ab") for place in range(len(asks))]

    def text(self, ask: Ask) -> TextStream:
        return Letters()

    def cancel(self, taken: Taken, finish: str = "cancelled") -> None:
        self.cancelled.append(taken)
        self.finishes.append(finish)


def progress(text: str, finish: str | None = None) -> Progress:
    return Progress(tuple(map(ord, text)), finish, "the step broke" if finish == "error" else None)


async def converse(answerer: Reporting, most: int = 100) -> list[Piece]:
    """Take at most so many pieces, then leave."""
    asks = (Ask((1, 2), 5),) * len(answerer.reports)
    pieces = (await Conversation.begin(answerer, Question(asks))).pieces()
    taken: list[Piece] = []
    async for piece in pieces:
        taken.append(piece)
        if len(taken) == most:
            break
    await pieces.aclose()
    return taken


def test_reports_that_were_overtaken_are_skipped() -> None:
    """Each has all tokens so far, so the newest is enough."""
    answerer = Reporting([progress("a"), progress("ab"), progress("abc", "length")])
    assert asyncio.run(converse(answerer)) == [Piece("abc", 3, "length")]
    assert answerer.cancelled == []


def test_a_stop_sequence_ends_the_answer() -> None:
    answerer = Reporting([progress("hi!more")])
    assert asyncio.run(converse(answerer)) == [Piece("hi", 7, "stop")]
    assert ([ticket.generation for ticket in answerer.cancelled], answerer.finishes) == ([3], ["stop"])


def test_leaving_early_cancels() -> None:
    answerer = Reporting([progress("a")])
    assert asyncio.run(converse(answerer, most=1)) == [Piece("a", 1, None)]
    assert answerer.finishes == ["cancelled"]


@pytest.mark.parametrize(("code", "shown"), [("", "step_failed"), ("non_finite", "non_finite")])
def test_an_answer_that_failed_raises_and_has_nothing_to_cancel(code: str, shown: str) -> None:
    answerer = Reporting([replace(progress("a", "error"), code=code)])
    with pytest.raises(AnswerFailed, match="the step broke") as caught:
        asyncio.run(converse(answerer))
    assert (caught.value.code, answerer.cancelled) == (shown, [])


def test_a_report_after_the_loop_has_closed_is_ignored() -> None:
    """It comes on the loop's thread, which must not die of it."""

    async def begin() -> Conversation:
        return await Conversation.begin(Reporting([]), Question((Ask((1, 2), 5),)))

    conversation = asyncio.run(begin())
    conversation._reports.hear(0, progress("a"))
    assert conversation.prompt_tokens == 2


def scored(text: str, finish: str | None = None, prompt: tuple[TokenLogprobs | None, ...] = ()) -> Progress:
    tokens = tuple(map(ord, text))
    return Progress(tokens, finish, logprobs=tuple(TokenLogprobs(one, -1.0) for one in tokens), prompt_logprobs=prompt)


def test_several_answers_grow_side_by_side() -> None:
    """Each piece says whose it is; the answers end one by one."""
    answerer = Reporting([progress("a"), progress("ab", "length")], [progress("c")], [progress("d!")])
    pieces = asyncio.run(converse(answerer, most=3))
    assert pieces == [Piece("ab", 2, "length", 0), Piece("c", 1, None, 1), Piece("d", 2, "stop", 2)]
    assert [ticket.generation for ticket in answerer.cancelled] == [5, 4]  # the one that stopped, then who left


def test_one_failed_answer_cancels_the_others() -> None:
    answerer = Reporting([progress("a", "error")], [progress("c")], [progress("d", "stop")])
    with pytest.raises(AnswerFailed):
        asyncio.run(converse(answerer))
    assert [ticket.generation for ticket in answerer.cancelled] == [4, 5]


def test_log_probabilities_come_once_each() -> None:
    """Those of the prompt come with the first report, which may have been overtaken."""
    prompt = (None, TokenLogprobs(2, -0.5))
    answerer = Reporting([scored("a", prompt=prompt), scored("ab"), scored("abc", "length")])
    (piece,) = asyncio.run(converse(answerer))
    assert [one.token for one in piece.logprobs] == [97, 98, 99]
    assert piece.prompt_logprobs == prompt


def test_later_pieces_have_only_the_new_log_probabilities() -> None:
    async def talk() -> list[Piece]:
        answerer = Reporting([scored("a")])
        conversation = await Conversation.begin(answerer, Question((Ask((1, 2), 5),)))
        pieces = conversation.pieces()
        first = await anext(pieces)
        conversation._reports.hear(0, scored("ab", "length"))
        return [first, await anext(pieces)]

    assert [[one.token for one in piece.logprobs] for piece in asyncio.run(talk())] == [[97], [98]]
