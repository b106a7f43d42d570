"""What a client may ask, field by field, without a server."""

import json
from typing import Any

import pytest

from hotswapd.daemon.errors import BadRequest
from hotswapd.daemon.serve.requests import ChatBody, CompletionBody, read_body

HI = [{"role": "user", "content": "hi"}]


def completion(**fields: Any) -> CompletionBody:
    return read_body(CompletionBody, json.dumps({"model": "m", "prompt": "hi", **fields}).encode())


def chat(**fields: Any) -> ChatBody:
    return read_body(ChatBody, json.dumps({"model": "m", "messages": HI, **fields}).encode())


def test_a_completion_has_16_tokens_unless_it_says_otherwise() -> None:
    """OpenAI's own default; a chat has as many as fit, and the newer name of its limit wins."""
    assert (completion().limit, completion(max_tokens=3).limit) == (16, 3)
    assert (chat().limit, chat(max_tokens=3).limit) == (None, 3)
    assert chat(max_tokens=3, max_completion_tokens=4).limit == 4


@pytest.mark.parametrize(
    ("given", "stops"), [(None, ()), ("x", ("x",)), (["x", "yz"], ("x", "yz")), (["x"] * 16, ("x",) * 16)]
)
def test_stop_sequences_are_one_or_many(given: object, stops: tuple[str, ...]) -> None:
    assert completion(stop=given).stops == stops


@pytest.mark.parametrize(("given", "prompt"), [("a", "a"), (["a"], "a"), ([1, 2], [1, 2])])
def test_a_prompt_is_a_text_a_list_of_one_or_tokens(given: object, prompt: object) -> None:
    assert completion(prompt=given).prompt == prompt


def test_usage_is_for_streams_that_ask_for_it() -> None:
    assert completion(stream=True, stream_options={"include_usage": True}).include_usage
    assert not completion(stream=True, stream_options={}).include_usage
    assert not completion(stream=True).include_usage
    with pytest.raises(BadRequest, match="stream_options is for stream = true"):
        completion(stream_options={"include_usage": True})


def test_the_parts_of_a_message_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = chat(messages=[*HI, {"role": "assistant", "content": parts, "name": "x"}])
    plain = [message.plain() for message in body.messages]
    assert plain == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ab"}]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"surprise": 1}, "unknown_field", "surprise"),
        ({"prompt": 1}, "bad_value", "prompt"),
        ({"echo": True}, "unsupported_value", "echo"),
        ({"presence_penalty": 0.1}, "bad_value", "presence_penalty"),
        ({"logit_bias": {"5": 1.0}}, "bad_value", "logit_bias"),
        ({"suffix": "x"}, "bad_value", "suffix"),
    ],
)
def test_what_would_change_the_answer_is_refused(fields: dict[str, object], code: str, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        completion(**fields)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert param in caught.value.sentence


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{}]},
        {"response_format": {"type": "json_object"}},
        {"top_logprobs": 1},
        {"logprobs": True},
        {"store": True},
        {"messages": []},
        {"messages": [{"role": "", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    ],
)
def test_what_a_chat_cannot_do_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(BadRequest) as caught:
        chat(**fields)
    assert caught.value.param == next(iter(fields))


def test_every_field_at_fault_is_named_once() -> None:
    with pytest.raises(BadRequest) as caught:
        read_body(CompletionBody, b'{"prompt": [], "top_p": 0, "x": 1}')
    assert [sentence.split(":")[0] for sentence in caught.value.sentence.split("; ")] == [
        "model must be given",
        "top_p",
        "prompt",
        "the field x does not exist",
    ]
    assert caught.value.code == "missing_field"


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"model": NaN}', b'{"model": Infinity}', b"\xff", b"[" * 100_000])
def test_a_body_must_be_a_strict_json_object(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read_body(ChatBody, body)
    assert caught.value.code == "not_json"


def test_what_is_wrong_is_named_up_to_a_hundred() -> None:
    """More would take longer to name than to find."""
    with pytest.raises(BadRequest) as few:
        read_body(CompletionBody, json.dumps({f"f{index}": 1 for index in range(98)}).encode())
    assert few.value.sentence.count("does not exist") == 98
    with pytest.raises(BadRequest) as many:
        read_body(CompletionBody, json.dumps({f"f{index}": 1 for index in range(101)}).encode())
    assert many.value.code == "bad_value"
    assert len(many.value.sentence) < 100


def test_items_are_checked_up_to_the_first_wrong_one() -> None:
    with pytest.raises(BadRequest) as caught:
        read_body(CompletionBody, json.dumps({"model": "m", "prompt": [-1] * 50_000}).encode())
    assert caught.value.param == "prompt"
    assert len(caught.value.sentence) < 200
