"""A body becomes a request, or one sentence."""

import json

import pytest

from hotswapd.daemon.errors import BadRequest
from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.requests.completion import CompletionBody
from hotswapd.daemon.serve.requests.reading import read_body


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"model": NaN}', b'{"model": Infinity}', b"\xff", b"[" * 100_000])
def test_a_body_must_be_a_strict_json_object(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read_body(ChatBody, body)
    assert caught.value.code == "not_json"


def test_every_field_at_fault_is_named_once() -> None:
    with pytest.raises(BadRequest) as caught:
        read_body(CompletionBody, b'{"prompt": [], "top_p": 0, "x": 1}')
    assert caught.value.sentence.split("; ") == [
        "model must be given",
        "top_p must be greater than 0, not 0",
        "prompt must be a list of at least 1 item, not a list of 0 items",
        "the field x does not exist",
    ]
    assert caught.value.code == "missing_field"


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
    assert caught.value.param == "prompt[0]"
    assert len(caught.value.sentence) < 200


def test_half_of_a_surrogate_pair_is_refused_in_any_field() -> None:
    for body in (b'{"model": "\\ud800", "prompt": "x"}', b'{"model": "m", "prompt": ["a", "\\udc00"]}'):
        with pytest.raises(BadRequest, match="half of a surrogate pair"):
            read_body(CompletionBody, body)
