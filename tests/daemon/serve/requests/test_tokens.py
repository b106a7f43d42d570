"""What may be tokenized."""

import json
from typing import Any

import pytest
from kits.requests import HI

from hotswapd.daemon.errors import BadRequest
from hotswapd.daemon.serve.requests.reading import read_body
from hotswapd.daemon.serve.requests.tokens import DetokenizeBody, TokenizeBody


def tokenize(**fields: Any) -> TokenizeBody:
    return read_body(TokenizeBody, json.dumps(fields).encode())


def test_a_text_or_a_conversation_is_tokenized() -> None:
    assert tokenize(prompt="hi", model="m", add_special_tokens=True).prompt == "hi"
    assert tokenize(prompt="", add_special_tokens=False).prompt == ""
    messages = tokenize(messages=HI, add_special_tokens=False, add_generation_prompt=True).messages
    assert messages is not None
    assert messages[0].role == "user"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "hi", "messages": HI}, "prompt"),
        ({"messages": HI, "add_special_tokens": True}, "add_special_tokens"),
        ({"messages": HI, "continue_final_message": True}, "continue_final_message"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_no_request_could_have_is_not_tokenized(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        tokenize(**fields)
    assert caught.value.param == param


def test_token_ids_are_detokenized() -> None:
    assert read_body(DetokenizeBody, b'{"tokens": [1, 2]}').tokens == [1, 2]
    with pytest.raises(BadRequest) as caught:
        read_body(DetokenizeBody, b'{"tokens": [1, -2]}')
    assert caught.value.param == "tokens[1]"
