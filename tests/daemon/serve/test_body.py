"""Bodies of requests: bounded, and JSON objects."""

import asyncio

import pytest
from fastapi import Request
from starlette.types import Message

from hotswapd.daemon.errors import BadRequest, ErrorCode
from hotswapd.daemon.serve.body import json_object, read_within

TOO_LARGE = BadRequest(ErrorCode.BODY_TOO_LARGE, "at most 4 bytes")


def sent(*pieces: bytes) -> tuple[Request, list[bytes]]:
    """Make a request whose body comes in pieces, and the list of those that were not taken yet."""
    left = list(pieces)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return Request({"type": "http"}, receive), left


def test_a_body_within_the_limit_is_read_whole() -> None:
    request, _ = sent(b"ab", b"", b"cd")
    assert asyncio.run(read_within(request, 4, TOO_LARGE)) == b"abcd"


def test_a_larger_body_is_read_no_further_than_the_limit() -> None:
    request, left = sent(b"ab", b"cde", b"f" * 1000)
    with pytest.raises(BadRequest) as caught:
        asyncio.run(read_within(request, 4, TOO_LARGE))
    assert caught.value is TOO_LARGE
    assert left == [b"f" * 1000]


def test_a_json_object_is_parsed() -> None:
    assert json_object(b'{"a": [1, null]}') == {"a": [1, None]}


@pytest.mark.parametrize("body", [rb'{"id": "a\ud800"}', rb'{"id": [{"\uDfff": 1}]}', rb'{"\ud83d": 1}'])
def test_half_a_letter_is_not_text(body: bytes) -> None:
    """Whatever small thing is sent: an id that can be neither looked up nor written down."""
    with pytest.raises(BadRequest, match="half of a surrogate pair") as caught:
        json_object(body)
    assert caught.value.code == "bad_value"
    assert json_object(rb'{"id": "\ud83d\ude00"}') == {"id": "\N{GRINNING FACE}"}


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        json_object(body)
    assert caught.value.code == "not_json"
