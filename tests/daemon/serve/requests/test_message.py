"""Turns of a conversation, as clients write them and give them back."""

from typing import Any

import pytest
from kits.requests import HI, chat, refusal

from hotswapd.daemon.serve.requests.chat import ChatBody

AGAIN = {"refusal": None, "annotations": None, "audio": None, "function_call": None, "tool_calls": None}


def turn(**fields: Any) -> dict[str, str]:
    return chat(messages=[*HI, fields]).turns()[1]


def test_what_the_server_said_it_takes_back() -> None:
    """As OpenAI's clients keep an answer's message: with every field that may be null."""
    assert turn(role="assistant", content="Hello", **AGAIN) == {"role": "assistant", "content": "Hello"}
    assert turn(role="assistant", content="Hello", tool_calls=[], provider_specific_fields={"refusal": None}) == {
        "role": "assistant",
        "content": "Hello",
    }


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "function"])
def test_any_role_reaches_the_template(role: str) -> None:
    assert turn(role=role, content="x") == {"role": role, "content": "x"}


def test_null_is_an_empty_text() -> None:
    assert turn(role="user", content=None)["content"] == ""
    assert turn(role="assistant")["content"] == ""
    assert turn(role="assistant", content=None, refusal="No.")["content"] == "No."


def test_parts_are_lines() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}, {"type": "refusal", "refusal": "c"}]
    assert turn(role="user", content=parts)["content"] == "a\nb\nc"
    assert turn(role="user", content=[])["content"] == ""


def test_names_reach_the_template() -> None:
    assert turn(role="user", content="x", name="me") == {"role": "user", "content": "x", "name": "me"}
    assert turn(role="tool", content="4", tool_call_id="7") == {"role": "tool", "content": "4", "tool_call_id": "7"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"role": "", "content": "x"}, "role"),
        ({"role": "user"}, "content"),
        ({"role": "assistant", "tool_calls": [{}]}, "tool_calls"),
        ({"role": "assistant", "function_call": {}}, "function_call"),
        ({"role": "assistant", "audio": {"id": "x"}}, "audio"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "content[0].type"),
        ({"role": "user", "content": [{"type": "text"}]}, "content[0].text"),
        ({"role": "user", "content": ["x"]}, "content[0]"),
    ],
)
def test_what_no_template_shows_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    assert refusal(ChatBody, messages=[*HI, fields]).param == f"messages[1].{param}"
