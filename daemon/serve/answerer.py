"""Between HTTP and whoever answers: prompts become tokens, and refusals become answers for a client."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from hotswapd.daemon.errors import BadRequest, Busy, ErrorCode, NotReady
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.request_codes import AskCode
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.prompts import Wanted, always
from hotswapd.swap.rows.sampling import Sampling
from hotswapd.swap.rows.text import TextStream
from hotswapd.swap.rows.tickets import NoGeneration, Progress, QueueFull

from .names import Beside, Names, NoSuchModel, Which
from .question import Question
from .requests.completion import CompletionBody
from .requests.kinds import Body
from .requests.tokens import TokenizeBody
from .speaker import AnySpeaker, Taken
from .split import NoSplit, Split
from .token_texts import TokenTexts

_GREEDY = 1e-5
"""A temperature below this would divide the logits beyond what floats can hold."""
_DRAWN = (
    "temperature", "top_p", "top_k", "min_p", "seed", "min_tokens",
    "repetition_penalty", "presence_penalty", "frequency_penalty",
)  # fmt: skip
_ITEMS = 4096
_BYTES = 64 << 10


class Answerer:
    """Answers requests. `start` and `cancel` are for one event loop, every other method is legal on any thread.

    `prepare` may take long.
    """

    def __init__(
        self, speaker: AnySpeaker, on_lost: Callable[[ResidentLost], None] = lambda _: None, split: Split | None = None
    ) -> None:
        """`speaker` is who answers. `on_lost` is called on the thread of the request that finds the resident lost.

        `split` routes the requests that name no generation; without it they go to the live one.
        """
        self._speaker = speaker
        self._on_lost = on_lost
        self._split: Split = split or NoSplit()
        self._token_texts: TokenTexts | None = None

    def most_items(self) -> int:
        """Return how many members all lists and objects of a request's body may have together.

        A message or a part of one has three and at least one token, a token id is one.
        """
        return 4 * self.context() + _ITEMS

    def most_bytes(self) -> int:
        """Return how many bytes the body of the longest request may have.

        A character has twelve when both halves of its surrogate pair are escaped.
        """
        return _BYTES + 12 * self._speaker.language.most_characters() + 32 * self.most_items()

    def prepare(self, body: Body, which: Which, key: str = "", wanted: Wanted = always) -> Question:
        """Turn a body into the speaker's requests, which are the only other shape that a request has.

        `which` is to answer; `key` decides the arm while a rollout splits requests; `wanted` tells whether to go on.
        Raises BadRequest, NoSuchModel or Dropped.
        """
        prompts = self._prompts(body, wanted)
        usual = self._usual(body)
        whose = self._numbered(which), key or body.user or "", which.channel
        asks = tuple(
            self._ask(body, prompt, replace(usual, seed=usual.seed + copy), *whose)
            for prompt in prompts
            for copy in range(body.copies)
        )
        return Question(asks, body.copies, self._echoes(body, prompts))

    def _ask(
        self, body: Body, prompt: tuple[int, ...], sampling: Sampling, number: int | None, key: str, channel: str
    ) -> Ask:
        room = max(1, self.context() - len(prompt))
        return Ask(
            prompt,
            room if body.limit is None else body.limit,
            body.stops,
            sampling,
            number,
            key,
            name=channel,
            stop_token_ids=tuple(body.stop_token_ids or ()),
            ignore_eos=bool(body.ignore_eos),
            logprobs=body.scored,
            prompt_logprobs=0 if body.limit == 0 and body.prompt_scored is None else body.prompt_scored,
            cache_salt=body.cache_salt or "",
        )

    async def start(self, asks: Sequence[Ask], listeners: Sequence[Callable[[Progress], None]]) -> list[Taken]:
        """Have all asks of a request answered by one generation, or none of them.

        Listeners are called on a thread of the speaker's and must neither block nor raise. Raises BadRequest, Busy,
        NoSuchModel or NotReady.
        """
        first, taken = await self._first(asks[0], listeners[0])
        all_taken = [taken]
        same = taken.generation if first.generation is None else first.generation
        try:
            for ask, hear in zip(asks[1:], listeners[1:], strict=True):
                all_taken.append(await self._start(replace(ask, generation=same, tag=first.tag), hear))
        except BaseException as error:
            for one in all_taken:
                self.cancel(one)
            if isinstance(error, NoSuchModel) and asks[0].generation is None:
                raise NotReady(ErrorCode.BUSY, "what is live changed meanwhile; send the request again") from None
            raise
        return all_taken

    async def _first(self, ask: Ask, hear: Callable[[Progress], None]) -> tuple[Ask, Taken]:
        """Queue the ask that decides the generation of all; return it as it was queued."""
        if ask.generation is None:
            generation, tag = self._split.route(ask.key or secrets.token_hex(16), ask.name)
            routed = replace(ask, generation=generation, tag=tag)
            with suppress(NoSuchModel):  # the rollout has ended since it was asked
                return routed, await self._start(routed, hear)
        return ask, await self._start(ask, hear)

    async def _start(self, ask: Ask, hear: Callable[[Progress], None]) -> Taken:
        try:
            taken: Taken = await self._speaker.submit(ask, hear)
        except BadAsk as error:
            raise BadRequest(error.code, str(error), error.param) from None
        except QueueFull as error:
            raise Busy(ErrorCode.QUEUE_FULL, f"{error}; try again in a moment") from None
        except NoGeneration as error:
            raise NoSuchModel(ErrorCode.GENERATION_NOT_SERVED, str(error)) from None
        except ResidentLost as error:
            self._on_lost(error)
            raise NotReady(ErrorCode.RESIDENT_LOST, "the model no longer answers; the daemon is restarting") from None
        return taken

    def _numbered(self, which: Which) -> int | None:
        if not isinstance(which.generation, Beside):
            if which.generation is not None and not self._split.owns(which.generation, which.channel):
                sentence = f"generation {which.generation} is not one of the channel {which.channel}"
                raise NoSuchModel(ErrorCode.GENERATION_NOT_SERVED, sentence)
            return which.generation
        number = self._split.number(which.channel)
        if number is None:
            raise NoSuchModel(ErrorCode.NO_CANARY, "no canary is running; ask for the model without @canary")
        return number

    def cancel(self, taken: Taken, finish: str = "cancelled") -> None:
        """Drop a request whose client has gone, or has all that it wants: then `finish` is ``stop``."""
        self._speaker.cancel(taken, finish)

    def text(self, ask: Ask) -> TextStream:
        """Return what decodes the answer to a request."""
        return TextStream(self._speaker.language.tokenizer, ask.stop)

    def scored(self, generation: int, score: float, answer: str = "") -> bool:
        """Count feedback for a generation, for this answer of it; return False if it is in no rollout."""
        return self._split.scored(generation, score, answer)

    def generations(self) -> list[int]:
        """Return the generations that can be asked for, the live one first."""
        return self._speaker.generations()

    def which(self, names: Names, asked: str) -> Which:
        """Return whom a name asks for. Raises NoSuchModel."""
        return names.which(asked, self._split.has)

    def require(self, which: Which) -> None:
        """Check that a generation can be asked for. Raises NoSuchModel."""
        number = self._numbered(which)
        if number is not None and number not in (served := self.generations()):
            raise NoSuchModel(ErrorCode.GENERATION_NOT_SERVED, str(NoGeneration(number, served)))

    def channels(self) -> list[str]:
        """Name all channels."""
        return self._split.names()

    def tokens(self, body: TokenizeBody, wanted: Wanted = always) -> tuple[int, ...]:
        """Return the tokens of a text or a conversation. Raises BadRequest or Dropped."""
        with _refusals():
            if body.messages is not None:
                return self._conversation([message.plain() for message in body.messages], wanted)
            return self._speaker.language.encode(
                body.prompt or "", wanted, special=body.add_special_tokens is not False
            )

    def untokenized(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special ones too. Raises BadRequest."""
        tokenizer: Any = self._speaker.language.tokenizer
        if tokenizer is None:
            raise BadRequest(AskCode.NO_TOKENIZER, "this base has no tokenizer", "tokens")
        if max(tokens, default=0) >= len(tokenizer):
            sentence = f"a token id is outside the vocabulary of {len(tokenizer)}"
            raise BadRequest(AskCode.BAD_TOKEN, sentence, "tokens")
        return str(tokenizer.backend_tokenizer.decode(list(tokens), skip_special_tokens=False))

    def context(self) -> int:
        """Return how many tokens prompt and answer may have together."""
        return self._speaker.language.context

    def token_texts(self) -> TokenTexts:
        """Return what the base's tokens are."""
        if self._token_texts is None:
            self._token_texts = TokenTexts(self._speaker.language.tokenizer)
        return self._token_texts

    def _prompts(self, body: Body, wanted: Wanted) -> list[tuple[int, ...]]:
        with _refusals():
            if not isinstance(body, CompletionBody):
                return [self._conversation(body.turns(), wanted)]
            special, language = body.add_special_tokens is not False, self._speaker.language
            return [
                language.encode(prompt, wanted, special=special) if isinstance(prompt, str) else tuple(prompt)
                for prompt in body.prompts
            ]

    def _conversation(self, messages: list[dict[str, str]], wanted: Wanted) -> tuple[int, ...]:
        """Tokenize a conversation. A template that does not know developers is given their messages as the system's."""
        template = str(getattr(self._speaker.language.tokenizer, "chat_template", None))
        if "developer" not in template:
            messages = [one | {"role": "system"} if one["role"] == "developer" else one for one in messages]
        return self._speaker.language.encode_chat(messages, wanted)

    def _echoes(self, body: Body, prompts: list[tuple[int, ...]]) -> tuple[str, ...]:
        if not isinstance(body, CompletionBody) or not body.echo:
            return ()
        texts = [
            given if isinstance(given, str) else self.untokenized(tokens)
            for given, tokens in zip(body.prompts, prompts, strict=True)
        ]
        return tuple(text for text in texts for _ in range(body.copies))

    def _usual(self, body: Body) -> Sampling:
        """Take the request's own values, and the model's generation configuration for those that it leaves out."""
        usual = self._speaker.language.usual_sampling()
        given = {name: value for name in _DRAWN if (value := getattr(body, name, None)) is not None}
        sampling = replace(usual, **given, logit_bias=body.biases)
        if sampling.temperature < _GREEDY:
            sampling = replace(sampling, temperature=0.0)
        return replace(sampling, top_k=0) if sampling.top_k < 0 else sampling


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the tokenizer refuses while a prompt is made into a BadRequest."""
    try:
        yield
    except BadAsk as error:
        raise BadRequest(error.code, str(error), error.param) from None
