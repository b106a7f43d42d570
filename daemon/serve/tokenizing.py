"""``/tokenize`` and ``/detokenize``, in vLLM's shapes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from hotswapd.swap.rows.prompts import Wanted

from .answerer import Answerer
from .caller import caller_of
from .intake import Intake
from .names import Names
from .requests.reading import read_body
from .requests.tokens import DetokenizeBody, TokenizeBody
from .v1 import client_of
from .written import model_response

B = TypeVar("B", TokenizeBody, DetokenizeBody)


class Tokenized(BaseModel):
    """The tokens of a text; `max_model_len` is how many prompt and answer may have together."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class Detokenized(BaseModel):
    """The text of tokens."""

    prompt: str


def tokenizing_routes(answerer: Callable[[], Answerer], names: Names, intake: Intake) -> APIRouter:
    """Make both routes; `answerer` raises NotReady while there is no tokenizer."""
    router = APIRouter()

    @router.post("/tokenize", response_model=None)
    async def tokenize(request: Request) -> Response:
        now = answerer()
        return model_response(await intake.take(request, _client(request), now, _Tokenizing(now, names)))

    @router.post("/detokenize", response_model=None)
    async def detokenize(request: Request) -> Response:
        now = answerer()
        return model_response(await intake.take(request, _client(request), now, _Detokenizing(now, names)))

    return router


def _client(request: Request) -> str:
    return client_of(request, caller_of(request))


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads a body for one of both, on a thread of the pool."""

    answerer: Answerer
    names: Names

    def _read(self, kind: type[B], body: bytearray) -> B:
        """Parse it. Raises FaceError, also for a model that is not served."""
        asked = read_body(kind, body, self.answerer.most_items())
        if asked.model is not None:
            self.answerer.which(self.names, asked.model)
        return asked


class _Tokenizing(_Reading):
    """See `_Reading`."""

    __slots__ = ()

    def __call__(self, body: bytearray, wanted: Wanted) -> Tokenized:
        """Parse and tokenize. Raises FaceError or Dropped."""
        asked = self._read(TokenizeBody, body)
        tokens = self.answerer.tokens(asked, wanted)
        texts = self.answerer.token_texts()
        shown = [texts.text(token) for token in tokens] if asked.return_token_strs else None
        return Tokenized(
            count=len(tokens), max_model_len=self.answerer.context(), tokens=list(tokens), token_strs=shown
        )


class _Detokenizing(_Reading):
    """See `_Reading`."""

    __slots__ = ()

    def __call__(self, body: bytearray, wanted: Wanted) -> Detokenized:
        """Parse and decode. Raises FaceError."""
        return Detokenized(prompt=self.answerer.untokenized(self._read(DetokenizeBody, body).tokens))
