"""Prompts become token ids, and one that can never fit is refused before most of it has been looked at."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hotswapd.swap.fair_lock import FairLock
from hotswapd.swap.request_codes import AskCode

from .asks import BadAsk

_PIECE = 8192
"""Characters that are counted at a time: a few milliseconds, after which somebody else has the tokenizer."""
_AT_ONCE = 8
"""Characters for each token of the context that are tokenized without being counted first."""
_TWICE = 2
"""A text in pieces may have a few more tokens than it has whole, never twice as many."""
Wanted = Callable[[], bool]
"""Tells whether anybody still waits for the result. Legal on any thread."""


def always() -> bool:
    """Return True: somebody waits, whatever happens."""
    return True


class Dropped(Exception):
    """Nobody waits for this prompt any more."""


class Prompts:
    """Turns texts and conversations into token ids. Every method is legal on any thread; the longest text takes turns.

    Fast tokenizers keep state between calls, so that one thread at a time has the tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer` is the base's own, or None."""
        self._tokenizer = tokenizer
        self._turns = FairLock()
        self._longest = max((len(one) for one in tokenizer.get_vocab()), default=1) if tokenizer is not None else 0

    def most_characters(self, context: int) -> int:
        """Return how many characters the longest text of so many tokens has; 0 without a tokenizer."""
        return context * self._longest

    def encode(self, text: str, context: int, wanted: Wanted = always, *, special: bool = True) -> tuple[int, ...]:
        """Turn a prompt into token ids, of which at most `context` fit.

        `wanted` is asked now and then whether to go on; `special` adds what the tokenizer puts around a text.
        Raises BadAsk or Dropped.
        """
        if self._tokenizer is None:
            raise BadAsk(AskCode.NO_TOKENIZER, "prompt", "this base has no tokenizer: send the prompt as token ids")
        self._require_fitting(text, "prompt", context, wanted)
        return self._encode(text, special=special)

    def encode_chat(
        self, messages: Sequence[Mapping[str, str]], context: int, wanted: Wanted = always
    ) -> tuple[int, ...]:
        """Turn a conversation into token ids with the tokenizer's own template. Raises BadAsk or Dropped."""
        if self._tokenizer is None or not getattr(self._tokenizer, "chat_template", None):
            raise BadAsk(AskCode.NO_CHAT_TEMPLATE, "messages", "this base has no chat template: use /v1/completions")
        self._require_characters(sum(len(part) for one in messages for part in one.values()), "messages", context)
        try:
            text = self._tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        except Exception as error:  # a template is a program of the model's: it may raise anything
            raise BadAsk(AskCode.BAD_MESSAGES, "messages", f"the chat template refuses them: {error}") from error
        self._require_fitting(text, "messages", context, wanted)
        return self._encode(text, special=False)

    def _require_fitting(self, text: str, param: str, context: int, wanted: Wanted) -> None:
        """Refuse a text that has too many characters, or far too many tokens, without tokenizing all of it."""
        self._require_characters(len(text), param, context)
        if len(text) <= max(_PIECE, _AT_ONCE * context):
            return
        tokens = 0
        for start in range(0, len(text), _PIECE):
            if not wanted():
                raise Dropped
            tokens += len(self._encode(text[start : start + _PIECE], special=False))
            if tokens > _TWICE * context:
                seen = start + _PIECE
                raise _too_long(param, f"its first {seen} characters alone have about {tokens} tokens", context)

    def _require_characters(self, count: int, param: str, context: int) -> None:
        if count > self.most_characters(context):
            raise _too_long(param, f"{count} characters are more than the longest tokens could hold", context)

    def _encode(self, text: str, *, special: bool) -> tuple[int, ...]:
        with self._turns:
            return tuple(self._tokenizer.encode(text, add_special_tokens=special))


def _too_long(param: str, why: str, context: int) -> BadAsk:
    sentence = f"the prompt is too long: {why}; prompt and answer have at most {context} tokens together"
    return BadAsk(AskCode.CONTEXT_LENGTH_EXCEEDED, param, sentence)
