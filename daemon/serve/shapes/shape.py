"""What the shapes share: who answered, what a whole answer is, and how an event is written."""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import BaseModel

from hotswapd.daemon.errors import FaceError
from hotswapd.daemon.serve.conversation import Piece
from hotswapd.swap.rows.tickets import TokenLogprobs

_NO_DIGEST = "0" * 12
DONE = "data: [DONE]\n\n"


def system_fingerprint(generation: int, digest: str) -> str:
    """Return the name of the generation that answered, as responses carry it; generation 0 has no digest: zeros."""
    return f"hotswapd-g{generation}-{digest[:12] or _NO_DIGEST}"


def reason(finish: str) -> Literal["stop", "length"]:
    """Return OpenAI's word for how an answer ended."""
    return "stop" if finish == "stop" else "length"


def quoted(text: str) -> str:
    """Write a text as JSON; for the one thing of a chunk that is never the same, this is the fast way."""
    return json.encoder.encode_basestring(text)


def event(data: str) -> str:
    """Write one server-sent event."""
    return f"data: {data}\n\n"


@dataclass(frozen=True, slots=True)
class Head:
    """What is the same in all parts of one answer."""

    model: str
    fingerprint: str
    prompt_tokens: int
    created: int = field(default_factory=lambda: int(time.time()))
    number: str = field(default_factory=lambda: uuid.uuid4().hex)


class Usage(BaseModel):
    """Tokens of prompts and answers."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, head: Head, tokens: int) -> "Usage":
        """Count an answer of so many tokens."""
        return cls(prompt_tokens=head.prompt_tokens, completion_tokens=tokens, total_tokens=head.prompt_tokens + tokens)


class Whole:
    """One answer, gathered from its pieces."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.finish = ""
        self.tokens = 0
        self.logprobs: list[TokenLogprobs] = []
        self.prompt_logprobs: tuple[TokenLogprobs | None, ...] = ()

    def add(self, piece: Piece) -> None:
        """Take the next piece in."""
        self.texts.append(piece.text)
        self.tokens = piece.tokens
        self.logprobs += piece.logprobs
        self.prompt_logprobs = self.prompt_logprobs or piece.prompt_logprobs
        self.finish = piece.finish or self.finish

    @property
    def text(self) -> str:
        """All of its text."""
        return "".join(self.texts)


class Shape(Protocol):
    """The shape of one answer. For one event loop."""

    @property
    def id(self) -> str:
        """The answer's id, which feedback names."""
        ...

    def whole(self, answers: list[Whole]) -> BaseModel:
        """Make the whole answer."""
        ...

    def opening(self) -> str:
        """Return the events before the first piece."""
        ...

    def part(self, piece: Piece) -> str:
        """Return the events of a piece, empty if it says nothing."""
        ...

    def closing(self, tokens: int) -> str:
        """Return the last events; `tokens` counts all answers."""
        ...

    def failed(self, error: FaceError) -> str:
        """Return the last event of a stream that cannot go on."""
        ...
