"""What is said of a base before its weights answer: how texts become tokens, how many fit, how a request samples."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .asks import Ask, check
from .prompts import Prompts, Wanted, always
from .sampling import Sampling


class Language:
    """One base's, the same for all of its generations. No weights. Every method is legal on any thread."""

    def __init__(
        self, tokenizer: Any, vocabulary: int, context: int, usual: Sampling, prompts: Prompts | None = None
    ) -> None:
        """`tokenizer` is the base's own, or None; `vocabulary` is how many tokens there are.

        `context` is how many of them prompt and answer may have together; `usual` is how the model samples by itself,
        whatever its seed. `prompts` are those of another of this base, which has the same tokenizer.
        """
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.context = context
        self.usual = usual
        self._prompts = prompts or Prompts(tokenizer)

    def within(self, context: int) -> "Language":
        """Return the same with room for at most so many tokens. Both take turns with the tokenizer."""
        return Language(self.tokenizer, self.vocabulary, min(context, self.context), self.usual, self._prompts)

    def most_characters(self) -> int:
        """Return how many characters the longest prompt may have."""
        return self._prompts.most_characters(self.context)

    def encode(self, text: str, wanted: Wanted = always, *, special: bool = True) -> tuple[int, ...]:
        """Turn a prompt into token ids; `wanted` tells whether to go on, `special` adds the tokenizer's own tokens.

        May take long. Raises BadAsk or Dropped.
        """
        return self._prompts.encode(text, self.context, wanted, special=special)

    def encode_chat(self, messages: Sequence[Mapping[str, str]], wanted: Wanted = always) -> tuple[int, ...]:
        """Turn a conversation into token ids with the tokenizer's own template. Raises BadAsk or Dropped."""
        return self._prompts.encode_chat(messages, self.context, wanted)

    def usual_sampling(self) -> Sampling:
        """Return how a request samples that does not say. The seed is a fresh one for each call."""
        return replace(self.usual, seed=secrets.randbits(63))

    def check(self, ask: Ask) -> None:
        """Refuse what no loop of this base can answer. Raises BadAsk."""
        check(ask, self.vocabulary, self.context)


def usual_of(model: Any) -> Sampling:
    """Return how a model samples by itself: as its generation configuration does."""
    config = getattr(model, "generation_config", None)
    penalty = float(getattr(config, "repetition_penalty", None) or 1.0)
    if config is None or not config.do_sample:
        return Sampling(repetition_penalty=penalty)
    temperature = 1.0 if config.temperature is None else float(config.temperature)
    least = float(getattr(config, "min_p", None) or 0.0)
    top_p, top_k = float(config.top_p or 1.0), int(config.top_k or 0)
    return Sampling(temperature, top_p, top_k, min_p=least, repetition_penalty=penalty)
