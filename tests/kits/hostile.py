"""Requests that no honest client sends: valid ones with something wrong in a field, a header, the path or a byte."""

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

STRINGS = (
    "", "\0", "\ud800", "a\udfffb", "\ud83d\ude00", "\uffff", "é", "\u202e", "x" * 3000, "[" * 500, '"\\', "{{ 1 }}",
    "{% for %}", "../../etc/passwd", "\r\nX: y", "<|endoftext|>", "%s%n", " ", "\x7f", "true", "1e999", "stop",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 1.0, -0.0, 1e-300, 1e300, 2**31, 2**31 - 1, 2**53, 2**63 - 1, 2**63, 2**64, 2**70, -(2**63), -(2**70),
    10**400, 0.5, 1e-45,
)  # fmt: skip
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"a": None}, [{}], [""], ["\ud800"], {"\udfff": 1})
FIELDS = (
    "model", "prompt", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "seed",
    "stop", "stream", "stream_options", "n", "user", "presence_penalty", "frequency_penalty", "logit_bias", "echo",
    "best_of", "logprobs", "top_logprobs", "suffix", "response_format", "tools", "store", "id", "score", "\ud800", "x",
    "min_p", "min_tokens", "stop_token_ids", "ignore_eos", "repetition_penalty", "prompt_logprobs", "cache_salt",
    "metadata", "tool_choice", "input", "instructions", "include", "max_output_tokens", "tokens", "add_special_tokens",
)  # fmt: skip
PATHS = (
    "/v1/completions", "/v1/chat/completions", "/v1/responses", "/tokenize", "/detokenize", "/health", "/openapi.json",
    "/v1/embeddings", "/v1/feedback", "/v1/models", "/status.json", "/metrics", "/",
    "/health/live", "/health/ready", "/page/app.js", "/page/%2e%2e/x", "/%00", "/%ff%fe", "//", "/v1/completions/",
    "*", "/v1/%F0%9F%98%80", "/v1/completions?a=%ff", "/v1/models/" + "a" * 2000,
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW")
BYTES = (b"\\ud800", b"\xed\xa0\x80", b"\xff", b"\0", b'"', b"}", b"[", b"1e9", b"\\")
HEADERS = (
    "Authorization",
    "X-Hotswapd-User",
    "Origin",
    "Content-Type",
    "Accept",
    "Access-Control-Request-Method",
    "Cookie",
)
JSON = "application/json"


class Sent(NamedTuple):
    """One request; headers are bytes, so that they may hold anything that a line can."""

    method: str
    path: str
    headers: dict[str, bytes]
    body: bytes


def hostile(chance: random.Random, model: str) -> Sent:
    """Make one request."""
    return chance.choice(_KINDS)(chance, model)


def _valid(chance: random.Random, model: str) -> tuple[str, dict[str, Any]]:
    usual: dict[str, Any] = {"model": model, "max_tokens": 2}
    match chance.randrange(8):
        case 0:
            return "/tokenize", {"model": model, "prompt": "hello"}
        case 1:
            return "/detokenize", {"model": model, "tokens": [1, 2]}
        case 2:
            return "/v1/responses", {"model": model, "max_output_tokens": 2, "input": "hello"}
        case 3 | 4:
            return "/v1/completions", {**usual, "prompt": "hello"}
    return "/v1/chat/completions", {**usual, "messages": [{"role": "user", "content": "hello"}]}


def _post(path: str, body: bytes) -> Sent:
    return Sent("POST", path, {"Content-Type": JSON.encode()}, body)


def _wrong_fields(chance: random.Random, model: str) -> Sent:
    path, fields = _valid(chance, model)
    for _ in range(chance.randint(1, 3)):
        fields[chance.choice(FIELDS)] = _value(chance, 3)
    return _post(path if chance.random() < 0.9 else "/v1/feedback", json.dumps(fields, allow_nan=True).encode())


def _wrong_message(chance: random.Random, model: str) -> Sent:
    fields: dict[str, Any] = {"model": model, "max_tokens": 2}
    message: dict[str, Any] = {"role": "user", "content": "hello"}
    message[chance.choice(("role", "content", "name", "x", "\ud800"))] = _value(chance, 3)
    parts = [{"type": "text", "text": "a"}, {"type": chance.choice(STRINGS), "text": _value(chance, 1)}]
    fields["messages"] = [message, {"role": "user", "content": parts if chance.random() < 0.5 else "b"}]
    return _post("/v1/chat/completions", json.dumps(fields).encode())


def _wrong_bytes(chance: random.Random, model: str) -> Sent:
    path, fields = _valid(chance, model)
    body = bytearray(json.dumps(fields).encode())
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(body))
        match chance.randrange(3):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                del body[at : at + chance.randint(1, 8)]
            case _:
                body[at:at] = chance.choice(
                    (b"\\ud800", b"\xed\xa0\x80", b"\xff", b"\0", b'"', b"}", b"[", b"1e9", b"\\")
                )
        body = body or bytearray(b"{")
    return _post(path, bytes(body))


def _wrong_head(chance: random.Random, model: str) -> Sent:
    path, fields = _valid(chance, model)
    headers = {"Content-Type": JSON.encode()}
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(STRINGS).encode("utf-8", "surrogatepass")[:500]
        headers[chance.choice(HEADERS)] = bytes(byte for byte in text if byte >= 32 and byte != 127)
    return Sent("POST", path, headers, json.dumps(fields).encode())


def _wrong_path(chance: random.Random, model: str) -> Sent:
    _, fields = _valid(chance, model)
    body = json.dumps(fields).encode() if chance.random() < 0.5 else b""
    return Sent(chance.choice(METHODS), chance.choice(PATHS), {"Content-Type": JSON.encode()}, body)


def _value(chance: random.Random, depth: int) -> Any:
    """Make a value of any type."""
    match chance.randrange(5):
        case 0 | 1:
            return chance.choice(STRINGS)
        case 2:
            return chance.choice(NUMBERS)
        case 3:
            return chance.choice(OTHERS)
        case _ if depth:
            return [_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
        case _:
            return chance.choice((float("nan"), float("inf")))


_KINDS: tuple[Callable[[random.Random, str], Sent], ...] = (
    _wrong_fields, _wrong_fields, _wrong_fields, _wrong_message, _wrong_bytes, _wrong_head, _wrong_path,
)  # fmt: skip
