"""What is wrong with a body is said by its place, with what was wanted and what came."""

from typing import Any

import pytest
from kits.requests import HI, refusal

from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.requests.completion import CompletionBody
from hotswapd.daemon.serve.requests.kinds import Kind
from hotswapd.daemon.serve.requests.responses import ResponsesBody

IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
CASES: list[tuple[Kind, dict[str, Any], str, str, str]] = [
    (
        ChatBody,
        {"messages": [{"content": "hi"}]},
        "missing_field",
        "messages[0].role",
        "messages[0].role must be given",
    ),
    (
        ChatBody,
        {"messages": [*HI, *HI, *HI, {"role": "user", "content": [IMAGE]}]},
        "unsupported_value",
        "messages[3].content[0].type",
        'messages[3].content[0].type must be "text", "input_text", "output_text" or "refusal", not "image_url"',
    ),
    (
        ChatBody,
        {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
        "missing_field",
        "messages[0].content[0].type",
        "messages[0].content[0].type must be given",
    ),
    (
        ChatBody,
        {"messages": [{"role": "user", "content": 3}]},
        "bad_value",
        "messages[0].content",
        "messages[0].content must be a string, a list of parts, or null, not 3",
    ),
    (
        ChatBody,
        {"messages": [{"role": "user", "content": "x", "mood": "good"}]},
        "unknown_field",
        "messages[0].mood",
        "the field messages[0].mood does not exist",
    ),
    (ChatBody, {"messages": ["hi"]}, "bad_value", "messages[0]", 'messages[0] must be an object, not "hi"'),
    (ChatBody, {"messages": "hi"}, "bad_value", "messages", 'messages must be a list, not "hi"'),
    (
        ChatBody,
        {"messages": [{"role": "user"}]},
        "missing_field",
        "messages[0].content",
        "messages[0].content must be given",
    ),
    (
        ChatBody,
        {"messages": [*HI, {"role": "assistant", "tool_calls": [{}]}]},
        "unsupported_value",
        "messages[1].tool_calls",
        "messages[1].tool_calls: this server calls no tools; leave it out or send []",
    ),
    (
        ChatBody,
        {"stream_options": {"include_usage": True}},
        "bad_value",
        "stream_options",
        "stream_options is for stream = true",
    ),
    (
        ChatBody,
        {"stream": True, "stream_options": {"often": True}},
        "unknown_field",
        "stream_options.often",
        "the field stream_options.often does not exist",
    ),
    (CompletionBody, {"stop": ""}, "bad_value", "stop", 'stop must be at least 1 character long, not ""'),
    (CompletionBody, {"stop": ["a", ""]}, "bad_value", "stop[1]", 'stop[1] must be at least 1 character long, not ""'),
    (CompletionBody, {"stop": 3}, "bad_value", "stop", "stop must be a string or a list of strings, not 3"),
    (
        CompletionBody,
        {"prompt": 1},
        "bad_value",
        "prompt",
        "prompt must be a text, a list of texts, a list of token ids, or a list of such lists, not 1",
    ),
    (CompletionBody, {"prompt": ["a", 1]}, "bad_value", "prompt[1]", "prompt[1] must be a string, not 1"),
    (CompletionBody, {"prompt": [[1, -2]]}, "bad_value", "prompt[0][1]", "prompt[0][1] must be at least 0, not -2"),
    (CompletionBody, {"temperature": 2.7}, "bad_value", "temperature", "temperature must be at most 2, not 2.7"),
    (CompletionBody, {"n": True}, "bad_value", "n", "n must be an integer, not true"),
    (CompletionBody, {"seed": "x" * 99}, "bad_value", "seed", "seed must be an integer, not a text of 99 characters"),
    (CompletionBody, {"top_k": {}}, "bad_value", "top_k", "top_k must be an integer, not an object"),
    (CompletionBody, {"stream": 10**60}, "bad_value", "stream", "stream must be true or false, not a larger number"),
    (
        CompletionBody,
        {"logit_bias": {"5": 101}},
        "bad_value",
        "logit_bias.5",
        "logit_bias.5 must be at most 100, not 101",
    ),
    (CompletionBody, {"surprise": 1}, "unknown_field", "surprise", "the field surprise does not exist"),
    (
        ResponsesBody,
        {"input": [{"type": "function_call"}]},
        "unsupported_value",
        "input[0]",
        'input[0]: only messages are read, not "function_call"',
    ),
    (
        ResponsesBody,
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        "unsupported_value",
        "input[0]",
        "input[0]: no answer is kept here: send the whole conversation as input",
    ),
    (ResponsesBody, {"input": 5}, "bad_value", "input", "input must be a text or a list of messages, not 5"),
]


@pytest.mark.parametrize(("kind", "fields", "code", "param", "sentence"), CASES)
def test_a_wrong_item_is_named_by_its_place(
    kind: Kind, fields: dict[str, Any], code: str, param: str, sentence: str
) -> None:
    refused = refusal(kind, **fields)
    assert (refused.code, refused.param, refused.sentence) == (code, param, sentence)


def test_a_name_that_a_client_made_up_is_cut() -> None:
    assert len(refusal(ChatBody, **{"x" * 10_000: 1}).sentence) < 200
