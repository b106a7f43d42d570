"""Chats in OpenAI's shape, read by OpenAI's own types."""

from typing import Any

from kits.requests import chat
from kits.shapes import HEAD, Letters, events, score, streamed, whole
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from hotswapd.daemon.errors import ErrorCode, FaceError
from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.shapes.chat import ChatShape
from hotswapd.swap.rows.tickets import TokenLogprobs


def shape(**fields: Any) -> ChatShape:
    return ChatShape(HEAD, chat(**fields), Letters())


def test_a_whole_chat_is_openais() -> None:
    made = shape().whole([whole(Piece("hi", 3, "length"))]).model_dump_json()
    answer = ChatCompletion.model_validate_json(made, strict=True)
    assert (answer.id, answer.object, answer.system_fingerprint) == ("chatcmpl-7", "chat.completion", "hotswapd-g3-x")
    assert (answer.choices[0].message.role, answer.choices[0].message.content) == ("assistant", "hi")
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 3, 8)


def test_a_chats_first_chunk_alone_has_the_role() -> None:
    chunks = streamed(shape(stream=True), Piece("a", 1, None), Piece('"ü', 2, "stop"))
    assert chunks.pop() == "[DONE]"
    first, last = (ChatCompletionChunk.model_validate(one, strict=True).choices[0] for one in chunks)
    assert (first.delta.role, first.delta.content, first.finish_reason) == ("assistant", "a", None)
    assert (last.delta.role, last.delta.content, last.finish_reason) == (None, '"ü', "stop")
    assert {one["id"] for one in chunks} == {"chatcmpl-7"}


def test_several_answers_are_told_apart() -> None:
    made = shape(n=2).whole([whole(Piece("a", 1, "stop")), whole(Piece("b", 2, "stop"))])
    answer = ChatCompletion.model_validate_json(made.model_dump_json())
    assert [(one.index, one.message.content) for one in answer.choices] == [(0, "a"), (1, "b")]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 3)
    chunks = streamed(shape(n=2, stream=True), Piece("a", 1, "stop", 0), Piece("b", 2, "stop", 1))[:-1]
    assert [(one["choices"][0]["index"], one["choices"][0]["delta"]["role"]) for one in chunks] == [
        (0, "assistant"),
        (1, "assistant"),
    ]


def test_a_piece_that_says_nothing_is_no_chunk() -> None:
    made = shape(stream=True)
    assert made.part(Piece("", 1, None))  # the first says who speaks
    assert made.part(Piece("", 2, None)) == ""
    assert made.part(Piece("", 2, "stop"))


def test_usage_comes_at_the_end_or_in_each_chunk() -> None:
    pieces = Piece("a", 1, None), Piece("b", 2, "stop")
    ended = streamed(shape(stream=True, stream_options={"include_usage": True}), *pieces)
    assert [one["usage"] for one in ended[:2]] == [None, None]
    assert (ended[2]["choices"], ended[2]["usage"]["total_tokens"], ended[3]) == ([], 7, "[DONE]")
    options = {"include_usage": True, "continuous_usage_stats": True}
    each = streamed(shape(stream=True, stream_options=options), *pieces)
    assert [one["usage"]["completion_tokens"] for one in each[:3]] == [1, 2, 2]
    assert "usage" not in streamed(shape(stream=True), Piece("a", 1, "stop"))[0]


def test_log_probabilities_name_tokens_and_their_bytes() -> None:
    scores = (score("ü", -0.5, ü=-0.5, x=-1.5), score("z", float("-inf"), ü=-0.1))
    made = shape(logprobs=True, top_logprobs=2).whole([whole(Piece("üz", 2, "stop", 0, scores))])
    content = ChatCompletion.model_validate_json(made.model_dump_json(), strict=True).choices[0].logprobs
    assert content is not None
    assert content.content is not None
    first, last = content.content
    assert (first.token, first.bytes, first.logprob) == ("ü", [0xC3, 0xBC], -0.5)
    assert [(one.token, one.logprob) for one in first.top_logprobs] == [("ü", -0.5), ("x", -1.5)]
    assert last.logprob == -9999.0  # JSON has no infinity
    chunk = streamed(shape(logprobs=True, stream=True), Piece("ü", 1, None, 0, scores[:1]))[0]
    read = ChatCompletionChunk.model_validate(chunk, strict=True).choices[0].logprobs
    assert read is not None
    assert read.content is not None
    assert read.content[0].token == "ü"


def test_a_scored_prompt_is_vllms() -> None:
    prompt: tuple[TokenLogprobs | None, ...] = (None, score("b", -2.0, a=-1.0, b=-2.0))
    made = shape(prompt_logprobs=1).whole([whole(Piece("x", 1, "stop", 0, (), prompt))])
    assert made.model_dump()["prompt_logprobs"] == [
        None,
        {
            "98": {"logprob": -2.0, "rank": 2, "decoded_token": "b"},
            "97": {"logprob": -1.0, "rank": 1, "decoded_token": "a"},
        },
    ]


def test_a_stream_that_fails_ends_with_the_error() -> None:
    (error,) = events(shape(stream=True).failed(FaceError(ErrorCode.STEP_FAILED, "the step broke")))
    assert (error["error"]["code"], error["error"]["message"]) == ("step_failed", "the step broke")
