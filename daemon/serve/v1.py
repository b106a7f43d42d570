"""The endpoints that answer: whole or as a stream, and cancelled as soon as the client has gone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from hotswapd.daemon.errors import FaceError
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.swap.rows.prompts import Wanted

from .answerer import Answerer
from .caller import Caller, Tally, caller_of
from .conversation import Conversation
from .feedback import Remembering
from .intake import CLIENT_GONE, Intake, end, until_gone
from .names import Names
from .question import Question
from .requests.chat import ChatBody
from .requests.completion import CompletionBody
from .requests.kinds import Body, Kind
from .requests.reading import read_body
from .requests.responses import ResponsesBody
from .shapes.kinds import shape_of
from .shapes.shape import Head, Shape, Whole, system_fingerprint
from .written import model_response

GENERATION_HEADER = "X-Hotswapd-Generation"
CHANNEL_HEADER = "X-Hotswapd-Channel"
KINDS: Mapping[str, Kind] = {
    "/completions": CompletionBody,
    "/chat/completions": ChatBody,
    "/responses": ResponsesBody,
}


@dataclass(frozen=True, slots=True)
class Sticky:
    """What the endpoints do for a rollout.

    Requests with the same value of `header` stay with one generation; `answers` remembers which generation gave which
    answer.
    """

    header: str = "X-Hotswapd-User"
    answers: Remembering | None = None


def answering_routes(
    answerer: Callable[[], Answerer], names: Names, metrics: Metrics, intake: Intake, rollout: Sticky = Sticky()
) -> APIRouter:
    """Make the endpoints.

    `answerer` is called for each request and raises NotReady while there is none; `names` are those of the base.
    """
    router = APIRouter()
    for path, kind in KINDS.items():
        endpoint = _Endpoint(answerer, intake, names, metrics, kind, rollout)
        router.post(path, response_model=None)(endpoint.answer)
    return router


def client_of(request: Request, caller: Caller) -> str:
    """Return whom a request takes turns for, and counts for: its key's name and its address."""
    return f"{caller.name} {request.client.host if request.client else ''}"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What becomes of one body, on a thread of the pool."""

    kind: Kind
    names: Names
    user: str
    answerer: Answerer

    def __call__(self, body: bytearray, wanted: Wanted) -> tuple[Body, Question]:
        """Parse and tokenize. Raises FaceError or Dropped."""
        read: Body = read_body(self.kind, body, self.answerer.most_items())
        return read, self.answerer.prepare(read, self.answerer.which(self.names, read.model), self.user, wanted)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One of them; `kind` is what its requests look like."""

    answerer: Callable[[], Answerer]
    intake: Intake
    names: Names
    metrics: Metrics
    kind: Kind
    rollout: Sticky

    async def answer(self, request: Request) -> Response:
        caller = caller_of(request)
        tally = Tally(self.metrics, caller)
        try:
            body, conversation, shape = await self._begin(request, caller)
        except FaceError as error:
            tally.request(error.status)
            raise
        except Exception:
            tally.request(500)
            raise
        caller.spend(conversation.prompt_tokens)
        generation = conversation.taken.generation
        if self.rollout.answers is not None:
            self.rollout.answers.note(shape.id, generation)
        headers = {GENERATION_HEADER: str(generation), CHANNEL_HEADER: conversation.channel}
        if body.stream:
            events = _events(conversation, shape, tally)
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        return await _whole(conversation, shape, tally, request, headers)

    async def _begin(self, request: Request, caller: Caller) -> tuple[Body, Conversation, Shape]:
        """Read a request and queue it. Raises FaceError."""
        answerer = self.answerer()
        reading = _Reading(self.kind, self.names, request.headers.get(self.rollout.header, ""), answerer)
        client = client_of(request, caller)
        body, question = await self.intake.take(request, client, answerer, reading)
        conversation = await Conversation.begin(answerer, question.sent_by(client))
        by = conversation.taken
        fingerprint = system_fingerprint(by.generation, by.digest)
        head = self._numbered(Head(body.model, fingerprint, question.prompt_tokens), by.generation)
        return body, conversation, shape_of(body, question, head, answerer.token_texts())

    def _numbered(self, head: Head, generation: int) -> Head:
        """Give the answer an id by which feedback can name it."""
        answers = self.rollout.answers
        return head if answers is None else replace(head, number=answers.number(generation))


async def _whole(
    conversation: Conversation, shape: Shape, tally: Tally, request: Request, headers: dict[str, str]
) -> Response:
    """Wait until the answer has ended or the client has gone."""
    answer = asyncio.create_task(_gather(conversation))
    gone = asyncio.create_task(until_gone(request))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            tally.request(CLIENT_GONE, conversation.taken.generation)
            return Response(status_code=CLIENT_GONE)
        answers = answer.result()
    except FaceError as error:
        tally.request(error.status, conversation.taken.generation)
        raise
    finally:
        await end(answer, gone)
    tally.request(200, conversation.taken.generation, sum(one.tokens for one in answers))
    return model_response(shape.whole(answers), headers)


async def _gather(conversation: Conversation) -> list[Whole]:
    answers = [Whole() for _ in range(conversation.count)]
    async for piece in conversation.pieces():
        answers[piece.index].add(piece)
    return answers


async def _events(conversation: Conversation, shape: Shape, tally: Tally) -> AsyncIterator[str]:
    """Yield the stream's server-sent events. After the first one, an error can only be reported in an event.

    The request is counted before the event that ends it is sent: whoever has the whole answer finds it in the counts.
    """
    tokens: dict[int, int] = {}
    count = _CountedOnce(tally, conversation.taken.generation)
    pieces = conversation.pieces()
    try:
        if opening := shape.opening():
            yield opening
        async for piece in pieces:
            tokens[piece.index] = piece.tokens
            if part := shape.part(piece):
                yield part
        count(200, sum(tokens.values()))
        yield shape.closing(sum(tokens.values()))
    except FaceError as error:
        count(error.status, sum(tokens.values()))
        yield shape.failed(error)
    finally:
        await pieces.aclose()
        count(CLIENT_GONE, sum(tokens.values()))


@dataclass(slots=True)
class _CountedOnce:
    """Counts one request, by the first status that it is given."""

    tally: Tally
    generation: int
    _done: bool = False

    def __call__(self, code: int, tokens: int) -> None:
        if not self._done:
            self._done = True
            self.tally.request(code, self.generation, tokens)
