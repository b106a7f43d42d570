"""Answers in the shapes of OpenAI's API, whole and as chunks of a stream."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Literal

from openai.types import Completion, CompletionChoice, CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_chunk import ChoiceDelta
from pydantic import BaseModel

_NO_DIGEST = "0" * 12


def system_fingerprint(generation: int, digest: str) -> str:
    """Return the name of the generation that answered, as responses carry it; generation 0 has no digest: zeros."""
    return f"hotswapd-g{generation}-{digest[:12] or _NO_DIGEST}"


def _reason(finish: str) -> Literal["stop", "length"]:
    return "stop" if finish == "stop" else "length"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is the same in all chunks of one answer."""

    model: str
    fingerprint: str
    chat: bool
    prompt_tokens: int
    created: int = field(default_factory=lambda: int(time.time()))
    number: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def id(self) -> str:
        """The answer's id, which feedback names."""
        return f"{'chatcmpl' if self.chat else 'cmpl'}-{self.number}"

    def whole(self, text: str, finish: str, tokens: int) -> BaseModel:
        """Make the whole answer; `finish` is ``stop`` or ``length``, `tokens` counts the answer's."""
        reason = _reason(finish)
        usage = self._usage(tokens)
        if not self.chat:
            choice = CompletionChoice(index=0, text=text, finish_reason=reason, logprobs=None)
            return self._completion([choice], usage)
        message = ChatCompletionMessage(role="assistant", content=text)
        return ChatCompletion(
            id=self.id,
            object="chat.completion",
            created=self.created,
            model=self.model,
            system_fingerprint=self.fingerprint,
            choices=[Choice(index=0, message=message, finish_reason=reason, logprobs=None)],
            usage=usage,
        )

    def chunk(self, text: str, finish: str | None, *, first: bool) -> BaseModel:
        """Make one chunk of a stream; `finish` is None except in the last."""
        reason = None if finish is None else _reason(finish)
        if not self.chat:
            # The type does not allow None, which OpenAI's own answers have in every chunk but the last.
            choice = CompletionChoice.model_construct(index=0, text=text, finish_reason=reason, logprobs=None)
            return self._completion([choice], None)
        delta = ChoiceDelta(role="assistant", content=text) if first else ChoiceDelta(content=text)
        return self._chat_chunk([ChunkChoice(index=0, delta=delta, finish_reason=reason)], None)

    def usage_chunk(self, tokens: int) -> BaseModel:
        """Make the extra last chunk that counts the tokens."""
        usage = self._usage(tokens)
        return self._chat_chunk([], usage) if self.chat else self._completion([], usage)

    def _usage(self, tokens: int) -> CompletionUsage:
        total = self.prompt_tokens + tokens
        return CompletionUsage(prompt_tokens=self.prompt_tokens, completion_tokens=tokens, total_tokens=total)

    def _completion(self, choices: list[CompletionChoice], usage: CompletionUsage | None) -> Completion:
        return Completion.model_construct(
            id=self.id,
            object="text_completion",
            created=self.created,
            model=self.model,
            system_fingerprint=self.fingerprint,
            choices=choices,
            usage=usage,
        )

    def _chat_chunk(self, choices: list[ChunkChoice], usage: CompletionUsage | None) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self.id,
            object="chat.completion.chunk",
            created=self.created,
            model=self.model,
            system_fingerprint=self.fingerprint,
            choices=choices,
            usage=usage,
        )
