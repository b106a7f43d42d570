"""What a chat may ask, field by field."""

from typing import Any

import pytest
from kits.requests import chat, refusal

from hotswapd.daemon.serve.requests.chat import ChatBody


def test_a_chat_has_as_many_tokens_as_fit() -> None:
    """The newer name of its limit wins."""
    assert (chat().limit, chat(max_tokens=3).limit) == (None, 3)
    assert chat(max_tokens=3, max_completion_tokens=4).limit == 4


def test_log_probabilities_are_a_switch_and_a_number() -> None:
    assert (chat().scored, chat(logprobs=False).scored, chat(logprobs=False, top_logprobs=0).scored) == (None,) * 3
    assert (chat(logprobs=True).scored, chat(logprobs=True, top_logprobs=3).scored) == (0, 3)
    assert refusal(ChatBody, top_logprobs=3).sentence == "top_logprobs is for logprobs = true"


@pytest.mark.parametrize(
    "fields",
    [
        {"parallel_tool_calls": True, "reasoning_effort": "high", "metadata": {}, "store": True, "verbosity": "low"},
        {"tool_choice": "none", "tools": None, "functions": [], "modalities": ["text"], "chat_template_kwargs": {}},
        {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}},
        dict.fromkeys(set(ChatBody.model_fields) - {"model", "messages"}),
    ],
)
def test_what_changes_nothing_is_taken(fields: dict[str, Any]) -> None:
    chat(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{}]},
        {"tool_choice": "required"},
        {"response_format": {"type": "json_object"}},
        {"top_logprobs": 1},
        {"top_logprobs": 21, "logprobs": True},
        {"audio": {"voice": "x"}},
        {"modalities": ["text", "audio"]},
        {"max_tokens": 0},
        {"continue_final_message": True},
        {"messages": []},
    ],
)
def test_what_a_chat_cannot_do_is_refused_by_name(fields: dict[str, object]) -> None:
    refused = refusal(ChatBody, **fields)
    assert refused.param == next(iter(fields))
    assert refused.param in refused.sentence
