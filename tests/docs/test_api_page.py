"""docs/api.md against the models, and the models against OpenAI's and vLLM's fields."""

from pathlib import Path
from typing import Any, get_type_hints

import pytest
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params
from pydantic import BaseModel

from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.requests.completion import CompletionBody
from hotswapd.daemon.serve.requests.responses import ResponsesBody
from hotswapd.daemon.serve.requests.table import page

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
SHARED = """
    model frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop stream stream_options
    temperature top_p user use_beam_search top_k min_p repetition_penalty watermarking length_penalty stop_token_ids
    include_stop_str_in_output ignore_eos min_tokens skip_special_tokens spaces_between_special_tokens
    truncate_prompt_tokens truncation_side allowed_token_ids prompt_logprobs logprob_token_ids bad_words
    add_special_tokens response_format structured_outputs priority request_id session_id return_tokens_as_token_ids
    return_token_ids routed_experts_prompt_start return_token_offsets return_mm_kwargs cache_salt kv_transfer_params
    ec_transfer_params vllm_xargs repetition_detection thinking_token_budget stream_interval echo
"""
VLLM: list[tuple[type[BaseModel], str]] = [
    (CompletionBody, SHARED + "prompt suffix prompt_embeds"),
    (
        ChatBody,
        SHARED
        + """messages top_logprobs max_completion_tokens tools tool_choice reasoning_effort include_reasoning
        parallel_tool_calls add_generation_prompt continue_final_message documents chat_template chat_template_kwargs
        media_io_kwargs mm_processor_kwargs return_prompt_text""",
    ),
    (
        ResponsesBody,
        """background include input instructions max_output_tokens max_tool_calls metadata model logit_bias
        parallel_tool_calls previous_response_id prompt reasoning service_tier store stream temperature text tool_choice
        tools top_logprobs top_p top_k truncation user skip_special_tokens include_stop_str_in_output prompt_cache_key
        request_id mm_processor_kwargs priority cache_salt enable_response_messages previous_input_messages
        previous_response structured_outputs repetition_penalty seed stop ignore_eos vllm_xargs""",
    ),
]
OPENAI: list[tuple[type[BaseModel], Any]] = [
    (CompletionBody, completion_create_params.CompletionCreateParamsStreaming),
    (ChatBody, chat_create_params.CompletionCreateParamsStreaming),
    (ResponsesBody, response_create_params.ResponseCreateParamsStreaming),
]


def test_the_page_is_what_the_models_say() -> None:
    """`python -m hotswapd.daemon.serve.requests.table > docs/api.md` brings it up to date."""
    assert page() == PAGE


@pytest.mark.parametrize(("kind", "params"), OPENAI)
def test_every_field_of_openais_is_known(kind: type[BaseModel], params: Any) -> None:
    known = set(get_type_hints(params))
    assert len(known) > 15
    assert known - set(kind.model_fields) == set()


@pytest.mark.parametrize(("kind", "fields"), VLLM)
def test_every_field_of_vllms_is_known(kind: type[BaseModel], fields: str) -> None:
    assert set(fields.split()) - set(kind.model_fields) == set()


@pytest.mark.parametrize("kind", [ChatBody, CompletionBody, ResponsesBody])
def test_every_field_says_what_is_done_with_it(kind: type[BaseModel]) -> None:
    for name in kind.model_fields:
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        assert len(row) > len(name) + 20
