"""Bodies of requests, read as the server reads them."""

import json
from typing import Any

import pytest

from hotswapd.daemon.errors import BadRequest
from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.requests.completion import CompletionBody
from hotswapd.daemon.serve.requests.kinds import Kind
from hotswapd.daemon.serve.requests.reading import read_body
from hotswapd.daemon.serve.requests.responses import ResponsesBody

HI: list[Any] = [{"role": "user", "content": "hi"}]


def completion(**fields: Any) -> CompletionBody:
    return read_body(CompletionBody, json.dumps({"model": "m", "prompt": "hi", **fields}).encode())


def chat(**fields: Any) -> ChatBody:
    return read_body(ChatBody, json.dumps({"model": "m", "messages": HI, **fields}).encode())


def response(**fields: Any) -> ResponsesBody:
    return read_body(ResponsesBody, json.dumps({"model": "m", "input": "hi", **fields}).encode())


def refusal(kind: Kind, **fields: Any) -> BadRequest:
    """Read a body that is refused."""
    needed: dict[str, Any] = {"prompt": "hi"} if kind is CompletionBody else {}
    needed |= {"messages": HI} if kind is ChatBody else {}
    needed |= {"input": "hi"} if kind is ResponsesBody else {}
    with pytest.raises(BadRequest) as caught:
        read_body(kind, json.dumps({"model": "m", **needed, **fields}).encode())
    return caught.value
