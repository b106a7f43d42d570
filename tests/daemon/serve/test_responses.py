"""Answers in OpenAI's shapes, whole and as chunks."""

from typing import Any

import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from hotswapd.daemon.serve.responses import Shape, system_fingerprint


def shape(chat: bool) -> Shape:
    return Shape("m", "hotswapd-g3-x", chat, 5, created=1_700_000_000, number="7")


@pytest.mark.parametrize(
    ("generation", "digest", "name"),
    [(3, "ab" * 32, "hotswapd-g3-abababababab"), (0, "", "hotswapd-g0-000000000000")],
)
def test_a_fingerprint_names_generation_and_digest(generation: int, digest: str, name: str) -> None:
    assert system_fingerprint(generation, digest) == name


def test_a_whole_completion_is_openais() -> None:
    answer = Completion.model_validate(shape(chat=False).whole("hi", "stop", 3).model_dump())
    assert (answer.id, answer.object, answer.model, answer.created) == ("cmpl-7", "text_completion", "m", 1_700_000_000)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("hi", "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 3, 8)


def test_a_whole_chat_is_openais() -> None:
    answer = ChatCompletion.model_validate(shape(chat=True).whole("hi", "length", 3).model_dump())
    assert (answer.id, answer.object, answer.system_fingerprint) == ("chatcmpl-7", "chat.completion", "hotswapd-g3-x")
    assert (answer.choices[0].message.role, answer.choices[0].message.content) == ("assistant", "hi")
    assert answer.choices[0].finish_reason == "length"


def test_a_chats_first_chunk_alone_has_the_role() -> None:
    chunks = [shape(chat=True).chunk("a", None, first=True), shape(chat=True).chunk("b", "stop", first=False)]
    first, last = (ChatCompletionChunk.model_validate(one.model_dump()).choices[0] for one in chunks)
    assert (first.delta.role, first.delta.content, first.finish_reason) == ("assistant", "a", None)
    assert (last.delta.role, last.delta.content, last.finish_reason) == (None, "b", "stop")


def test_a_completions_chunk_ends_with_a_reason() -> None:
    chunks: list[Any] = [shape(chat=False).chunk("a", finish, first=False).model_dump() for finish in (None, "length")]
    assert [one["choices"][0]["finish_reason"] for one in chunks] == [None, "length"]
    assert {one["id"] for one in chunks} == {"cmpl-7"}


@pytest.mark.parametrize("chat", [True, False])
def test_the_usage_chunk_has_no_choice(chat: bool) -> None:
    chunk = shape(chat).usage_chunk(4).model_dump()
    assert chunk["choices"] == []
    assert chunk["usage"]["total_tokens"] == 9


def test_two_answers_have_two_ids() -> None:
    """Feedback names an answer by its id."""
    assert Shape("m", "f", True, 1).id != Shape("m", "f", True, 1).id
