"""Between HTTP and the engine: prompts become tokens, and the engine's refusals become answers for a client."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from hotswapd.daemon.errors import BadRequest, Busy, NotReady
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.lanes.asks import Ask, BadAsk
from hotswapd.swap.lanes.lanes import LanesFull, NoGeneration, Progress, Ticket
from hotswapd.swap.lanes.sampling import Sampling
from hotswapd.swap.lanes.text import TextStream

from .requests import Beside, Body, ChatBody, CompletionBody, NoSuchModel


class Split(Protocol):
    """Who gets which generation while two are side by side. Legal on any thread."""

    def route(self, key: str) -> tuple[int | None, str]:
        """Choose the generation for a key, None for the live one, and the tag that counts the request."""
        ...

    def number(self) -> int | None:
        """Return the generation beside the live one, None when there is none."""
        ...

    def scored(self, generation: int, score: float) -> bool:
        """Count feedback; False when the generation is in no rollout."""
        ...


class NoSplit:
    """Nothing is beside the live generation, ever: for a server of its own, like a candidate's."""

    def route(self, key: str) -> tuple[int | None, str]:
        """Choose the live generation."""
        return None, ""

    def number(self) -> int | None:
        """Return None."""
        return None

    def scored(self, generation: int, score: float) -> bool:
        """Count nothing."""
        return False


class Answerer:
    """Answers requests with the engine. Every method is legal from any thread; `prepare` may take long."""

    _tokenizing = threading.Lock()
    """One for all: fast tokenizers keep state between calls, and a candidate's answerer has the same tokenizer."""

    def __init__(
        self, engine: Engine, on_lost: Callable[[ResidentLost], None] = lambda _: None, split: Split | None = None
    ) -> None:
        """`on_lost` is called when the model is lost; `split` routes requests that name no generation."""
        self._engine = engine
        self._on_lost = on_lost
        self._split: Split = split or NoSplit()

    def prepare(self, body: Body, generation: int | Beside | None, key: str = "") -> Ask:
        """Make the engine's request; `key` is whose it is, for the split. Raises BadRequest or NoSuchModel."""
        prompt = self._prompt(body)
        room = self._engine.context - len(prompt)
        sampling = self._sampling(body)
        number = self._beside() if isinstance(generation, Beside) else generation
        return Ask(prompt, body.limit or max(1, room), body.stops, sampling, number, key or body.user or "")

    def start(self, ask: Ask, on_progress: Callable[[Progress], None]) -> Ticket:
        """Queue it. Raises BadRequest, Busy, NoSuchModel or NotReady; `on_progress` is called on a lane's thread."""
        try:
            return self._submit(ask, on_progress)
        except BadAsk as error:
            raise BadRequest(error.code, str(error), error.param) from None
        except LanesFull as error:
            raise Busy("queue_full", f"{error}; try again in a moment") from None
        except NoGeneration as error:
            raise NoSuchModel("generation_not_served", str(error)) from None
        except ResidentLost as error:
            self._on_lost(error)
            raise NotReady("resident_lost", "the model does not answer any more; the daemon restarts") from None

    def _submit(self, ask: Ask, on_progress: Callable[[Progress], None]) -> Ticket:
        if ask.generation is not None:
            return self._engine.submit(ask, on_progress)
        generation, tag = self._split.route(ask.key or secrets.token_hex(16))
        try:
            return self._engine.submit(replace(ask, generation=generation, tag=tag), on_progress)
        except NoGeneration:  # the rollout has ended since
            return self._engine.submit(ask, on_progress)

    def _beside(self) -> int:
        number = self._split.number()
        if number is None:
            raise NoSuchModel("no_canary", "there is no canary now; ask for the model without @canary")
        return number

    def cancel(self, ticket: Ticket) -> None:
        """Drop a request whose client has gone."""
        self._engine.lanes.cancel(ticket)

    def text(self, ask: Ask) -> TextStream:
        """Make what decodes its answer."""
        return TextStream(self._engine.resident.tokenizer, ask.stop)

    def scored(self, generation: int, score: float) -> bool:
        """Count feedback for a generation; False when it is in no rollout."""
        return self._split.scored(generation, score)

    def generations(self) -> list[int]:
        """Name what can be asked for, the live one first."""
        return self._engine.lanes.generations()

    def _prompt(self, body: Body) -> tuple[int, ...]:
        with self._tokenizing:
            try:
                if isinstance(body, ChatBody):
                    return self._engine.encode_chat([message.plain() for message in body.messages])
                assert isinstance(body, CompletionBody)
                return self._tokens(body.prompt)
            except BadAsk as error:
                raise BadRequest(error.code, str(error), error.param) from None

    def _tokens(self, prompt: Any) -> tuple[int, ...]:
        if isinstance(prompt, list) and isinstance(prompt[0], str):
            prompt = prompt[0]
        return self._engine.encode(prompt) if isinstance(prompt, str) else tuple(prompt)

    def _sampling(self, body: Body) -> Sampling:
        """Take the request's own values, and the model's generation configuration where it is silent."""
        usual = self._engine.usual_sampling()
        return Sampling(
            temperature=usual.temperature if body.temperature is None else body.temperature,
            top_p=usual.top_p if body.top_p is None else body.top_p,
            top_k=usual.top_k if body.top_k is None else max(0, body.top_k),
            seed=usual.seed if body.seed is None else body.seed,
        )
