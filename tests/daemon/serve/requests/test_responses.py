"""What a response may ask, field by field."""

from typing import Any

import pytest
from kits.requests import refusal, response

from hotswapd.daemon.serve.requests.responses import ResponsesBody

SCORES = "message.output_text.logprobs"


def test_an_input_is_a_text_or_a_conversation() -> None:
    """Items may be those of an earlier answer."""
    assert response().turns() == [{"role": "user", "content": "hi"}]
    said = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    items = [
        {"role": "user", "content": "hi"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [said]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "again"}]},
    ]
    assert response(input=items, instructions="be short").turns() == [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "again"},
    ]


def test_log_probabilities_are_asked_for_in_a_list() -> None:
    assert (response().scored, response(top_logprobs=3).scored) == (None, None)
    assert response(include=[SCORES]).scored == 0
    assert response(include=[SCORES, "reasoning.encrypted_content"], top_logprobs=3).scored == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"store": False, "metadata": {"a": "b"}, "reasoning": {"effort": "low"}, "truncation": "disabled"},
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False, "text": {"format": {"type": "text"}}},
        {"max_output_tokens": 5, "temperature": 0, "top_p": 1.0, "stream": True, "stream_options": {}},
        dict.fromkeys(set(ResponsesBody.model_fields) - {"model", "input"}),
    ],
)
def test_what_changes_nothing_is_taken(fields: dict[str, Any]) -> None:
    response(**fields)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"truncation": "auto"}, "truncation"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"input": []}, "input"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
    ],
)
def test_what_a_response_cannot_do_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    refused = refusal(ResponsesBody, **fields)
    assert refused.param == param
    assert param in refused.sentence


def test_an_earlier_answer_is_refused_with_what_to_do() -> None:
    assert "send the whole conversation as input" in refusal(ResponsesBody, previous_response_id="resp_1").sentence
