"""``POST /v1/feedback``: a score for an answer counts for the generation that gave it.

Only ids and generations of the newest 100,000 answers are remembered, in memory: no part of a prompt or an answer.
"""

from collections.abc import Callable
from typing import Protocol
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hotswapd.daemon.errors import BadRequest, ErrorCode, FaceError

from .answerer import Answerer
from .body import json_object, read_within, require_json
from .newest import KEPT, Newest

_MAX_BYTES = 4096
_LARGEST = 1e6


class NoFeedback(FaceError):
    """Feedback is off, or no such answer is remembered."""

    status = 404


class Remembering(Protocol):
    """Which generation gave which answer. Every method is legal on any thread."""

    def number(self, generation: int) -> str:
        """Make the number of an answer's id."""
        ...

    def note(self, number: str, generation: int) -> None:
        """Remember an answer by its id."""
        ...

    def take(self, number: str) -> int | None:
        """Return the generation that gave an answer; None if it is not known, or has its score already."""
        ...


class Answers:
    """The answers of this process. Every method is legal on any thread."""

    def __init__(self, kept: int = KEPT) -> None:
        self._generations = Newest[int](kept)

    def number(self, generation: int) -> str:
        """Make the number of an answer's id, which says nothing."""
        return uuid4().hex

    def note(self, number: str, generation: int) -> None:
        """Remember an answer by its id; the oldest is forgotten once there are too many."""
        self._generations.add(number, generation)

    def take(self, number: str) -> int | None:
        """Return the generation that gave an answer, and forget it: a second score does not count."""
        return self._generations.take(number)


def feedback_routes(answerer: Callable[[], Answerer], answers: Remembering | None) -> APIRouter:
    """Make the endpoint; without `answers` it says that feedback is off. `answerer` may raise NotReady."""
    router = APIRouter()

    @router.post("/feedback", response_model=None)
    async def feedback(request: Request) -> JSONResponse:
        if answers is None:
            raise NoFeedback(ErrorCode.FEEDBACK_OFF, "feedback is off; rollout.feedback = true turns it on")
        require_json(request)
        too_large = BadRequest(ErrorCode.BAD_VALUE, f"feedback has at most {_MAX_BYTES} bytes")
        number, score = _read(await read_within(request, _MAX_BYTES, too_large))
        answering = answerer()
        generation = answers.take(number)
        if generation is None:
            raise NoFeedback(ErrorCode.UNKNOWN_ANSWER, "no such answer is remembered, or it already has a score")
        return JSONResponse({"generation": generation, "counted": answering.scored(generation, score, number)})

    return router


def _read(body: bytes | bytearray) -> tuple[str, float]:
    fields = json_object(body)
    unknown = sorted(set(fields) - {"id", "score"})
    if unknown:
        raise BadRequest(ErrorCode.UNKNOWN_FIELD, f"the field {unknown[0][:100]} does not exist", unknown[0][:100])
    number, score = fields.get("id"), fields.get("score")
    if not isinstance(number, str) or not number:
        raise BadRequest(ErrorCode.BAD_VALUE, "id must be the id of an answer", "id")
    if isinstance(score, bool) or not isinstance(score, int | float) or not abs(score) <= _LARGEST:
        raise BadRequest(ErrorCode.BAD_VALUE, f"score must be a number from -{_LARGEST:g} to {_LARGEST:g}", "score")
    return number, float(score)
