"""The two endpoints that answer: whole or as a stream, and cancelled as soon as the client has gone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from hotswapd.daemon.errors import FaceError
from hotswapd.daemon.report.metrics import Metrics

from .answerer import Answerer
from .caller import Caller, Tally, caller_of
from .conversation import Conversation, Piece
from .errors import error_body
from .feedback import Answers
from .intake import CLIENT_GONE, Intake, end, until_gone
from .requests import Body, ChatBody, CompletionBody
from .responses import Shape, system_fingerprint

GENERATION_HEADER = "X-Hotswapd-Generation"


@dataclass(frozen=True, slots=True)
class Sticky:
    """What the endpoints do for a rollout.

    Requests with the same value of `header` stay with one generation; `answers` remembers which generation gave which
    answer.
    """

    header: str = "X-Hotswapd-User"
    answers: Answers | None = None


def answering_routes(
    answerer: Callable[[], Answerer], model: str, metrics: Metrics, rollout: Sticky = Sticky()
) -> APIRouter:
    """Make both endpoints.

    `answerer` is called for each request and raises NotReady while there is none; `model` is the name under which the
    base is asked for.
    """
    router = APIRouter()
    intake = Intake(model)
    for path, kind in (("/completions", CompletionBody), ("/chat/completions", ChatBody)):
        endpoint = _Endpoint(answerer, intake, metrics, kind, rollout)
        router.post(path, response_model=None)(endpoint.answer)
    return router


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One of the two; `kind` is what its requests look like."""

    answerer: Callable[[], Answerer]
    intake: Intake
    metrics: Metrics
    kind: type[CompletionBody] | type[ChatBody]
    rollout: Sticky

    async def answer(self, request: Request) -> Response:
        caller = caller_of(request)
        tally = Tally(self.metrics, caller)
        try:
            body, conversation = await self._begin(request, caller)
        except FaceError as error:
            tally.request(error.status)
            raise
        except Exception:
            tally.request(500)
            raise
        caller.spend(conversation.prompt_tokens)
        ticket = conversation.ticket
        fingerprint = system_fingerprint(ticket.generation, ticket.digest)
        shape = Shape(body.model, fingerprint, self.kind is ChatBody, conversation.prompt_tokens)
        if self.rollout.answers is not None:
            self.rollout.answers.note(shape.id, ticket.generation)
        headers = {GENERATION_HEADER: str(ticket.generation)}
        if body.stream:
            events = _events(conversation, shape, tally, usage=body.include_usage)
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        return await _whole(conversation, shape, tally, request, headers)

    async def _begin(self, request: Request, caller: Caller) -> tuple[Body, Conversation]:
        """Read a request and queue it. Raises FaceError."""
        answerer = self.answerer()
        client = f"{caller.name} {request.client.host if request.client else ''}"
        user = request.headers.get(self.rollout.header, "")
        body, ask = await self.intake.take(request, client, user, answerer, self.kind)
        return body, Conversation(answerer, ask)


async def _whole(
    conversation: Conversation, shape: Shape, tally: Tally, request: Request, headers: dict[str, str]
) -> Response:
    """Wait until the answer has ended or the client has gone."""
    answer = asyncio.create_task(_gather(conversation))
    gone = asyncio.create_task(until_gone(request))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            tally.request(CLIENT_GONE, conversation.ticket.generation)
            return Response(status_code=CLIENT_GONE)
        text, last = answer.result()
    except FaceError as error:
        tally.request(error.status, conversation.ticket.generation)
        raise
    finally:
        await end(answer, gone)
    tally.request(200, conversation.ticket.generation, last.tokens)
    whole = shape.whole(text, str(last.finish), last.tokens)
    return JSONResponse(whole.model_dump(mode="json"), headers=headers)


async def _gather(conversation: Conversation) -> tuple[str, Piece]:
    pieces = [piece async for piece in conversation.pieces()]
    return "".join(piece.text for piece in pieces), pieces[-1]


async def _events(conversation: Conversation, shape: Shape, tally: Tally, *, usage: bool) -> AsyncIterator[str]:
    """Yield the stream's server-sent events. After the first one, an error can only be reported in an event.

    The request is counted before the event that ends it is sent: whoever has the whole answer finds it in the counts.
    """
    tokens, first = 0, True
    count = _CountedOnce(tally, conversation.ticket.generation)
    pieces = conversation.pieces()
    try:
        async for piece in pieces:
            tokens = piece.tokens
            if piece.text or piece.finish or first:
                yield _event(shape.chunk(piece.text, piece.finish, first=first).model_dump_json())
                first = False
        if usage:
            yield _event(shape.usage_chunk(tokens).model_dump_json())
        count(200, tokens)
        yield _event("[DONE]")
    except FaceError as error:
        count(error.status, tokens)
        yield _event(error_body(error))
    finally:
        await pieces.aclose()
        count(CLIENT_GONE, tokens)


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


def _event(data: str) -> str:
    return f"data: {data}\n\n"
