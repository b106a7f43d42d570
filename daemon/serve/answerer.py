"""Between HTTP and the engine: prompts become tokens, and the engine's refusals become answers for a client."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from hotswapd.daemon.errors import BadRequest, Busy, ErrorCode, NotReady
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.prompts import Wanted, always
from hotswapd.swap.rows.sampling import Sampling
from hotswapd.swap.rows.text import TextStream
from hotswapd.swap.rows.tickets import NoGeneration, Progress, QueueFull, Ticket

from .names import Beside, NoSuchModel
from .requests import Body, ChatBody

_ITEMS = 4096
_BYTES = 64 << 10


class Split(Protocol):
    """Splits requests between the live generation and the one beside it. Every method is legal on any thread."""

    def route(self, key: str) -> tuple[int | None, str]:
        """Return the generation for a key, None for the live one, and the tag under which the request is counted."""
        ...

    def number(self) -> int | None:
        """Return the generation beside the live one, or None."""
        ...

    def scored(self, generation: int, score: float) -> bool:
        """Count feedback; return False if the generation is in no rollout."""
        ...


class NoSplit:
    """Nothing is ever beside the live generation: for the server of a candidate, for example."""

    def route(self, key: str) -> tuple[int | None, str]:
        """Return the live generation."""
        return None, ""

    def number(self) -> int | None:
        """Return None."""
        return None

    def scored(self, generation: int, score: float) -> bool:
        """Count nothing."""
        return False


class Answerer:
    """Answers requests with the engine. Every method is legal on any thread; `prepare` may take long."""

    def __init__(
        self, engine: Engine, on_lost: Callable[[ResidentLost], None] = lambda _: None, split: Split | None = None
    ) -> None:
        """`on_lost` is called on the thread of the request that finds the resident lost.

        `split` routes the requests that name no generation; without it they go to the live one.
        """
        self._engine = engine
        self._on_lost = on_lost
        self._split: Split = split or NoSplit()

    def most_items(self) -> int:
        """Return how many members all lists and objects of a request's body may have together.

        A message or a part of one has three and at least one token, a token id is one.
        """
        return 4 * self._engine.context + _ITEMS

    def most_bytes(self) -> int:
        """Return how many bytes the body of the longest request may have.

        A character has twelve when both halves of its surrogate pair are escaped.
        """
        return _BYTES + 12 * self._engine.most_characters() + 32 * self.most_items()

    def prepare(self, body: Body, generation: int | Beside | None, key: str = "", wanted: Wanted = always) -> Ask:
        """Turn a body into the engine's request, which is the only other shape that a request has.

        `generation` None is the live one; `key` decides the arm while a rollout splits requests; `wanted` tells
        whether to go on. Raises BadRequest, NoSuchModel or Dropped.
        """
        prompt = self._prompt(body, wanted)
        room = self._engine.context - len(prompt)
        sampling = self._sampling(body)
        number = self._beside() if isinstance(generation, Beside) else generation
        return Ask(prompt, body.limit or max(1, room), body.stops, sampling, number, key or body.user or "")

    def start(self, ask: Ask, on_progress: Callable[[Progress], None]) -> Ticket:
        """Queue a request. `on_progress` is called on the loop's thread and must neither block nor raise.

        Raises BadRequest, Busy, NoSuchModel or NotReady.
        """
        try:
            return self._submit(ask, on_progress)
        except BadAsk as error:
            raise BadRequest(error.code, str(error), error.param) from None
        except QueueFull as error:
            raise Busy(ErrorCode.QUEUE_FULL, f"{error}; try again in a moment") from None
        except NoGeneration as error:
            raise NoSuchModel(ErrorCode.GENERATION_NOT_SERVED, str(error)) from None
        except ResidentLost as error:
            self._on_lost(error)
            raise NotReady(ErrorCode.RESIDENT_LOST, "the model no longer answers; the daemon is restarting") from None

    def _submit(self, ask: Ask, on_progress: Callable[[Progress], None]) -> Ticket:
        if ask.generation is not None:
            return self._engine.submit(ask, on_progress)
        generation, tag = self._split.route(ask.key or secrets.token_hex(16))
        try:
            return self._engine.submit(replace(ask, generation=generation, tag=tag), on_progress)
        except NoGeneration:  # the rollout has ended since it was asked
            return self._engine.submit(ask, on_progress)

    def _beside(self) -> int:
        number = self._split.number()
        if number is None:
            raise NoSuchModel(ErrorCode.NO_CANARY, "no canary is running; ask for the model without @canary")
        return number

    def cancel(self, ticket: Ticket) -> None:
        """Drop a request whose client has gone."""
        self._engine.cancel(ticket)

    def text(self, ask: Ask) -> TextStream:
        """Return what decodes the answer to a request."""
        return TextStream(self._engine.resident.tokenizer, ask.stop)

    def scored(self, generation: int, score: float) -> bool:
        """Count feedback for a generation; return False if it is in no rollout."""
        return self._split.scored(generation, score)

    def generations(self) -> list[int]:
        """Return the generations that can be asked for, the live one first."""
        return self._engine.rows.generations()

    def _prompt(self, body: Body, wanted: Wanted) -> tuple[int, ...]:
        try:
            if isinstance(body, ChatBody):
                return self._engine.encode_chat([message.plain() for message in body.messages], wanted)
            return self._engine.encode(body.prompt, wanted) if isinstance(body.prompt, str) else tuple(body.prompt)
        except BadAsk as error:
            raise BadRequest(error.code, str(error), error.param) from None

    def _sampling(self, body: Body) -> Sampling:
        """Take the request's own values, and the model's generation configuration for those that it leaves out."""
        usual = self._engine.usual_sampling()
        return Sampling(
            temperature=usual.temperature if body.temperature is None else body.temperature,
            top_p=usual.top_p if body.top_p is None else body.top_p,
            top_k=usual.top_k if body.top_k is None else max(0, body.top_k),
            seed=usual.seed if body.seed is None else body.seed,
        )
