"""The OpenAI-compatible endpoints, spoken to by OpenAI's own client and by raw sockets."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from kits.models import byte_tokenizer, text_of
from kits.rows import LONG, SHORT_ASK
from kits.serving import MODEL, Served
from kits.waiting import until
from kits.ways import WAYS, served_by
from openai import BadRequestError, NotFoundError, RateLimitError

from hotswapd.swap.rows.tickets import Ticket

KIND = "Content-Type: application/json\r\n"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", params=WAYS)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_by(request.param, tmp_path_factory.mktemp("room")) as made:
        made.bench.swap(0)
        yield made


def truth(one: Served, prompt: str, tokens: int) -> str:
    """Decode the reference of the live generation, as far as its end."""
    ids = one.bench.truth(live(one), tuple(byte_tokenizer().encode(prompt)), tokens)
    return text_of(list(ids))


def live(one: Served) -> int:
    return one.bench.live.number


def post(one: Served, path: str = "/v1/completions", **fields: Any) -> httpx.Response:
    return httpx.post(one.url + path, json={"model": MODEL, **fields}, timeout=LONG)


def test_a_completion_is_the_references_text(one: Served) -> None:
    """Text, usage, header and fingerprint are those of the one generation that answered."""
    raw = one.client.completions.with_raw_response.create(model=MODEL, prompt="hello", max_tokens=12, temperature=0)
    answer: Any = raw.parse()
    live = one.bench.live
    assert answer.choices[0].text == truth(one, "hello", 12)
    assert answer.usage.prompt_tokens == 5
    assert answer.usage.total_tokens == 5 + answer.usage.completion_tokens
    assert raw.headers["X-Hotswapd-Generation"] == str(live.generation)
    assert answer.system_fingerprint == f"hotswapd-g{live.generation}-{live.digest[:12]}"


def test_a_stream_adds_up_to_the_whole_answer(one: Served) -> None:
    """Every chunk names its generation, the last one says how it ended, and usage comes when asked for."""
    chunks = list(
        one.client.completions.create(
            model=MODEL, prompt="hello", max_tokens=12, stream=True, stream_options={"include_usage": True}
        )
    )
    whole = one.client.completions.create(model=MODEL, prompt="hello", max_tokens=12)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert {chunk.system_fingerprint for chunk in chunks} == {whole.system_fingerprint}
    assert [chunk for chunk in chunks if chunk.choices][-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage


def test_a_chat_uses_the_tokenizers_template(one: Served) -> None:
    """The same conversation, written out by the template, gives the same answer as a completion."""
    messages: Any = [{"role": "user", "content": "hi"}]
    chat = one.client.chat.completions.create(model=MODEL, messages=messages, max_tokens=10)
    text = byte_tokenizer().apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert chat.choices[0].message.content == truth(one, text, 10)
    assert chat.choices[0].message.role == "assistant"


def test_a_chat_streams(one: Served) -> None:
    """The first chunk says who speaks; the pieces are the whole."""
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    chunks: list[Any] = list(
        one.client.chat.completions.create(model=MODEL, messages=messages, max_completion_tokens=9, stream=True)
    )
    whole = one.client.chat.completions.create(model=MODEL, messages=messages, max_tokens=9)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content


def test_seed_and_temperature_are_honoured_per_request(one: Served) -> None:
    """The same seed gives the same text, another one another, beside greedy requests."""

    def ask(seed: int) -> str:
        answer = one.client.completions.create(model=MODEL, prompt="x", max_tokens=20, temperature=1.2, seed=seed)
        return answer.choices[0].text

    assert ask(1) == ask(1)
    assert ask(1) != ask(2)


def test_a_stop_sequence_ends_the_text_before_it(one: Served) -> None:
    """It is not in the text, and the reason is `stop`."""
    whole = one.client.completions.create(model=MODEL, prompt="hello", max_tokens=12).choices[0].text
    cut = one.client.completions.create(model=MODEL, prompt="hello", max_tokens=12, stop=[whole[3]]).choices[0]
    assert cut.text == whole[: whole.index(whole[3])]
    assert cut.finish_reason == "stop"


def test_models_lists_the_base_and_its_live_generation(one: Served) -> None:
    """A client that lists models finds the name that it must use."""
    assert MODEL in [model.id for model in one.client.models.list()]


def test_a_generation_can_be_asked_for_by_name(one: Served) -> None:
    """`model@gN` is answered by N while it is served, else a 404 lists what is."""
    number = live(one)
    answer: Any = one.client.completions.create(model=f"{MODEL}@g{number}", prompt="hello", max_tokens=4)
    assert answer.system_fingerprint.startswith(f"hotswapd-g{number}-")
    with pytest.raises(NotFoundError, match=f"g{number}"):
        one.client.completions.create(model=f"{MODEL}@g99", prompt="hello")
    with pytest.raises(NotFoundError):
        one.client.completions.create(model="another", prompt="hello")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({}, "prompt"),
        ({"prompt": "x", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "x", "max_tokens": True}, "max_tokens"),
        ({"prompt": "x", "temperature": 3}, "temperature"),
        ({"prompt": "x", "temperature": "0"}, "temperature"),
        ({"prompt": "x", "top_p": 0}, "top_p"),
        ({"prompt": "x", "n": 0}, "n"),
        ({"prompt": "x", "logprobs": -1}, "logprobs"),
        ({"prompt": "x", "surprise": 1}, "surprise"),
        ({"prompt": "x", "stop": [""]}, "stop[0]"),
        ({"prompt": [1, 9999]}, "prompt"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": "x" * 500}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt[1]"),
    ],
)
def test_what_cannot_be_done_is_a_400_with_the_field(one: Served, fields: dict[str, Any], param: str) -> None:
    """The error has OpenAI's shape, and the next request is answered."""
    response = post(one, **fields)
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["param"] == param
    assert param in error["message"] or param == "prompt"
    assert set(error) == {"message", "type", "param", "code"}
    assert post(one, prompt="x", max_tokens=1).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_request_is_a_400(one: Served, body: bytes) -> None:
    """Whatever is sent, the answer is a sentence."""
    response = httpx.post(f"{one.url}/v1/chat/completions", content=body, timeout=LONG, headers=JSON)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


def test_a_body_larger_than_any_prompt_is_refused(one: Served) -> None:
    """It is a 413, read no further than the limit."""
    assert (
        httpx.post(f"{one.url}/v1/completions", content=b" " * (9 << 20), timeout=LONG, headers=JSON).status_code == 413
    )


def test_a_conversation_that_the_template_refuses_is_a_400(one: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told that its messages are at fault."""
    messages: Any = [{"role": "alien", "content": "x"}]
    monkeypatch.setattr(one.bench.resident.tokenizer, "chat_template", "{{ raise_exception('no aliens') }}")
    with pytest.raises(BadRequestError, match="no aliens"):
        one.client.chat.completions.create(model=MODEL, messages=messages)


@pytest.mark.parametrize("way", WAYS)
def test_a_full_queue_is_a_429_with_retry_after(tmp_path: Path, way: str) -> None:
    """Beyond max_queue waiting requests a client is told to come again."""
    with served_by(way, tmp_path, max_queue=2) as one:
        bench = one.bench
        with bench.resident.step():
            for _ in range(2):
                bench.ask(SHORT_ASK)
            response = post(one, prompt="x")
            assert response.status_code == 429
            assert response.headers["Retry-After"]
            with pytest.raises(RateLimitError):
                one.client.completions.create(model=MODEL, prompt="x")


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_its_place(one: Served, monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    """Its request is cancelled, and its pages of the cache are free."""
    rows = one.bench.rows
    gone = threading.Event()
    forget = rows._forget

    def noticed(ticket: Ticket) -> Any:
        place = forget(ticket)
        gone.set()
        return place

    body = json.dumps({"model": MODEL, "prompt": "hello", "max_tokens": 400, "stream": stream, "seed": 1}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{KIND}Content-Length: {len(body)}\r\n\r\n"
    with monkeypatch.context() as patched:
        patched.setattr(rows, "_forget", noticed)
        with socket.create_connection((urlsplit(one.url).hostname, urlsplit(one.url).port)) as connection:
            connection.sendall(head.encode() + body)
            if stream:
                assert b"data:" in connection.recv(65536) + connection.recv(65536)
            else:  # one that goes before its request is queued leaves nothing behind
                until(one.bench.rows.busy, "the request was not queued")
        assert gone.wait(LONG)
    assert one.bench.right(*one.bench.ask(SHORT_ASK), SHORT_ASK)
    until(lambda: one.bench.loop.held_pages == 0, "pages of the cache are held")


def test_what_was_said_can_be_sent_back(one: Served) -> None:
    """The message of an answer as OpenAI's client has it, in every role, with parts and with null."""
    turns: list[Any] = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    said = one.client.chat.completions.create(model=MODEL, messages=turns, max_tokens=6, temperature=0, n=2)
    turns += [said.choices[0].message, {"role": "tool", "content": "4", "tool_call_id": "7"}]
    turns += [{"role": "assistant", "content": None}, {"role": "user", "content": "again"}]
    again = one.client.chat.completions.create(model=MODEL, messages=turns, max_tokens=6, temperature=0)
    spoken = said.choices[0].message.content
    written = [("system", "be brief"), ("user", "a\nb"), ("assistant", spoken), ("tool", "4")]
    written += [("assistant", ""), ("user", "again")]
    messages = [{"role": role, "content": text} for role, text in written]
    text = byte_tokenizer().apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert again.choices[0].message.content == truth(one, text, 6)


def test_every_answer_of_a_response_can_be_sent_back(one: Served) -> None:
    first = one.client.responses.create(model=MODEL, input="hi", max_output_tokens=6, temperature=0)
    turns: Any = [{"role": "user", "content": "hi"}, *first.output, {"role": "user", "content": "again"}]
    second = one.client.responses.create(model=MODEL, input=turns, max_output_tokens=6, temperature=0)
    messages: Any = [*turns[:1], {"role": "assistant", "content": first.output_text}, *turns[-1:]]
    chat = one.client.chat.completions.create(model=MODEL, messages=messages, max_tokens=6, temperature=0)
    assert second.output_text == chat.choices[0].message.content
