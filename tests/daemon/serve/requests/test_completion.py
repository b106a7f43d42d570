"""What a completion may ask, field by field."""

from typing import Any

import pytest
from kits.requests import completion, refusal

from hotswapd.daemon.serve.requests.completion import CompletionBody


def test_a_completion_has_16_tokens_unless_it_says_otherwise() -> None:
    """OpenAI's own default; none at all reads the prompt only."""
    assert (completion().limit, completion(max_tokens=3).limit, completion(max_tokens=0).limit) == (16, 3, 0)


@pytest.mark.parametrize(
    ("given", "stops"), [(None, ()), ([], ()), ("x", ("x",)), (["x", "yz"], ("x", "yz")), (["x"] * 16, ("x",) * 16)]
)
def test_stop_sequences_are_one_or_many(given: object, stops: tuple[str, ...]) -> None:
    assert completion(stop=given).stops == stops


@pytest.mark.parametrize(
    ("given", "prompts"),
    [("a", ["a"]), (["a"], ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], [[1, 2]]), ([[1], [2, 3]], [[1], [2, 3]])],
)
def test_a_prompt_is_text_or_tokens_one_or_many(given: object, prompts: object) -> None:
    assert completion(prompt=given).prompts == prompts


def test_usage_is_for_streams_that_ask_for_it() -> None:
    assert completion(stream=True, stream_options={"include_usage": True}).include_usage
    assert not completion(stream=True, stream_options={}).include_usage
    assert not completion(stream=True).include_usage
    assert completion(stream=True, stream_options={"continuous_usage_stats": True}).continuous_usage


@pytest.mark.parametrize(
    "fields",
    [
        {"repetition_penalty": 1.0, "n": 1, "best_of": 1, "length_penalty": 1, "use_beam_search": False, "priority": 0},
        {"metadata": {"a": "b"}, "store": True, "service_tier": "auto", "user": "me", "skip_special_tokens": True},
        {"suffix": "", "echo": False, "logprobs": None, "tools": [], "tool_choice": "auto"},
        {"response_format": {"type": "text"}},
        {"n": 3, "best_of": 3},
        dict.fromkeys(set(CompletionBody.model_fields) - {"model", "prompt"}),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_taken(fields: dict[str, Any]) -> None:
    """Null too, wherever a field may be left out."""
    completion(**fields)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"suffix": "x"}, "unsupported_value", "suffix"),
        ({"best_of": 2}, "unsupported_value", "best_of"),
        ({"use_beam_search": True}, "unsupported_value", "use_beam_search"),
        ({"length_penalty": True}, "unsupported_value", "length_penalty"),
        ({"skip_special_tokens": False}, "unsupported_value", "skip_special_tokens"),
        ({"guided_json": {}}, "unsupported_value", "guided_json"),
        ({"response_format": {"type": "json_object"}}, "unsupported_value", "response_format"),
        ({"presence_penalty": 2.1}, "bad_value", "presence_penalty"),
        ({"repetition_penalty": 0}, "bad_value", "repetition_penalty"),
        ({"logit_bias": {"five": 1.0}}, "bad_value", "logit_bias"),
        ({"logit_bias": {"1" * 10: 1.0}}, "bad_value", "logit_bias"),
        ({"logprobs": 21}, "bad_value", "logprobs"),
        ({"logprobs": True}, "bad_value", "logprobs"),
        ({"min_tokens": 17}, "bad_value", "min_tokens"),
        ({"n": 129}, "bad_value", "n"),
        ({"n": 64, "prompt": ["a"] * 3}, "bad_value", "n"),
        ({"prompt": [[]]}, "bad_value", "prompt[0]"),
        ({"prompt": []}, "bad_value", "prompt"),
        ({"prompt": [True]}, "bad_value", "prompt[0]"),
        ({"stream": True, "prompt_logprobs": 1}, "bad_value", "prompt_logprobs"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(fields: dict[str, object], code: str, param: str) -> None:
    refused = refusal(CompletionBody, **fields)
    assert (refused.code, refused.param) == (code, param)
    assert param in refused.sentence


def test_the_prompt_is_scored_for_an_echo_or_by_a_field_of_its_own() -> None:
    assert completion(logprobs=2).prompt_scored is None
    assert completion(logprobs=2, echo=True).prompt_scored == 2
    assert completion(prompt_logprobs=0).prompt_scored == 0
    assert completion(logprobs=2, echo=True, prompt_logprobs=5).prompt_scored == 5
    assert (completion(logprobs=2).scored, completion().scored) == (2, None)
