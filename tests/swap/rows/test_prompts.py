"""Prompts become token ids; one that can never fit is refused before most of it has been looked at."""

from copy import deepcopy
from typing import Any

import pytest
from kits.models import byte_tokenizer
from tokenizers.processors import TemplateProcessing

from hotswapd.swap.rows.asks import BadAsk
from hotswapd.swap.rows.prompts import Dropped, Prompts

CONTEXT = 100


class Counting:
    """A tokenizer that counts the characters it was given; a token is a character, and one token is a word of 1000."""

    chat_template = "yes"

    def __init__(self, tokens: int = 1) -> None:
        self.seen = 0
        self._tokens = tokens

    def get_vocab(self) -> dict[str, int]:
        return {"a": 0, "b" * 1000: 1}

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        self.seen += len(text)
        return [0] * (len(text) * self._tokens)

    def apply_chat_template(self, messages: list[dict[str, str]], **_: Any) -> str:
        return "".join(message["content"] for message in messages)


def code(call: Any) -> str:
    with pytest.raises(BadAsk) as caught:
        call()
    return str(caught.value.code)


def test_a_prompt_is_what_the_tokenizer_says() -> None:
    tokenizer = byte_tokenizer()
    for text in ("hello", "", "é" * 50, "x" * 20_000):
        assert Prompts(tokenizer).encode(text, 20_000) == tuple(tokenizer.encode(text))


def test_what_the_tokenizer_puts_around_a_text_can_be_left_out() -> None:
    tokenizer = deepcopy(byte_tokenizer())  # other tests have the same one
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<|end|> $A", special_tokens=[("<|end|>", 256)])
    plain = tuple(tokenizer.encode("hello", add_special_tokens=False))
    assert Prompts(tokenizer).encode("hello", CONTEXT) == (256, *plain)
    assert Prompts(tokenizer).encode("hello", CONTEXT, special=False) == plain


def test_a_text_far_too_long_is_not_tokenized_whole() -> None:
    """Neither one of more characters than the longest tokens could hold, nor one that only turns out to be too long."""
    tokenizer = Counting()
    prompts = Prompts(tokenizer)
    assert prompts.most_characters(CONTEXT) == 100_000
    assert code(lambda: prompts.encode("a" * 100_001, CONTEXT)) == "context_length_exceeded"
    assert tokenizer.seen == 0
    assert code(lambda: prompts.encode("a" * 100_000, CONTEXT)) == "context_length_exceeded"
    assert tokenizer.seen <= 10_000


def test_a_conversation_far_too_long_is_not_tokenized_either() -> None:
    tokenizer = Counting()
    messages = [{"role": "user", "content": "a" * 1000}] * 99
    assert code(lambda: Prompts(tokenizer).encode_chat(messages, CONTEXT)) == "context_length_exceeded"
    assert code(lambda: Prompts(tokenizer).encode_chat(messages * 2, CONTEXT)) == "context_length_exceeded"
    assert tokenizer.seen <= 10_000


def test_a_long_text_of_long_tokens_fits() -> None:
    """Characters alone say little: this one has no tokens at all."""
    tokenizer = Counting(tokens=0)
    assert Prompts(tokenizer).encode("b" * 100_000, CONTEXT) == ()
    assert tokenizer.seen == 200_000  # counted, and then tokenized


def test_what_nobody_waits_for_is_dropped() -> None:
    """Between two pieces, of which there are a dozen."""
    answers = iter([True, True, False])
    tokenizer = Counting(tokens=0)
    with pytest.raises(Dropped):
        Prompts(tokenizer).encode("b" * 100_000, CONTEXT, lambda: next(answers))
    assert tokenizer.seen < 20_000


def test_a_base_without_a_tokenizer_takes_token_ids_only() -> None:
    prompts = Prompts(None)
    assert prompts.most_characters(CONTEXT) == 0
    assert code(lambda: prompts.encode("a", CONTEXT)) == "no_tokenizer"
    assert code(lambda: prompts.encode_chat([], CONTEXT)) == "no_chat_template"
