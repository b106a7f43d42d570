"""The two endpoints, over a real socket, with OpenAI's own client and a daemon without a model."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
from kits.daemon_fakes import DIGEST, FakeFace
from kits.fronts import Front, front
from kits.requests import chat
from kits.shapes import HEAD, Letters
from kits.waiting import until

from hotswapd.daemon.errors import BadRequest, ErrorCode, FaceError, NotReady
from hotswapd.daemon.serve import v1
from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.shapes.chat import ChatShape

KIND = "Content-Type: application/json\r\n"
JSON = {"Content-Type": "application/json"}
MODEL = "org/model"
HI: Any = {"role": "user", "content": "hi"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeFace, Front]]:
    face = FakeFace()
    with front(face, tmp_path_factory.mktemp("v1"), MODEL) as made:
        yield face, made


@pytest.fixture
def face(served: tuple[FakeFace, Front]) -> FakeFace:
    served[0].reset()
    return served[0]


@pytest.fixture
def url(served: tuple[FakeFace, Front], face: FakeFace) -> str:
    return served[1].url


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def ask(url: str, **fields: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/completions", json={"model": MODEL, "prompt": "hi", **fields})


def events(answer: httpx.Response) -> list[str]:
    return [line.removeprefix("data: ") for line in answer.text.splitlines() if line]


def test_a_completion_names_its_generation(url: str, face: FakeFace) -> None:
    """In the header and in the fingerprint; OpenAI's client can read the whole answer."""
    raw = client(url).completions.with_raw_response.create(model=MODEL, prompt="hi", max_tokens=7, stop=["\n"])
    answer = raw.parse()
    assert raw.headers["X-Hotswapd-Generation"] == "3"
    assert answer.system_fingerprint == f"hotswapd-g3-{DIGEST[:12]}"
    assert (answer.object, answer.model) == ("text_completion", MODEL)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("hello", "length")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 3, 8)
    assert face.asked == [("hi", 7, ("\n",))]


def test_the_bases_fingerprint_has_zeros(url: str, face: FakeFace) -> None:
    face.generation, face.digest = 0, ""
    answer = ask(url)
    assert answer.json()["system_fingerprint"] == "hotswapd-g0-000000000000"
    assert answer.headers["X-Hotswapd-Generation"] == "0"


def test_token_ids_and_neutral_values_are_taken(url: str, face: FakeFace) -> None:
    answer = ask(url, prompt=[1, 2], stop="x", temperature=0.0, n=1, stream=False, logit_bias=None, seed=3, user="me")
    assert answer.status_code == 200
    assert face.asked == [([1, 2], 16, ("x",))]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 2.7}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"n": 200}, "n"),
        ({"n": True}, "n"),
        ({"echo": 1}, "echo"),
        ({"logprobs": 30}, "logprobs"),
        ({"top_k": -2}, "top_k"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 2]}, "prompt[1]"),
        ({"prompt": [1, -2]}, "prompt[1]"),
        ({"prompt": [True]}, "prompt[0]"),
        ({"prompt": None}, "prompt"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "7"}, "max_tokens"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": 3}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"model": None}, "model"),
    ],
)
def test_a_bad_field_is_named_and_reaches_no_model(
    url: str, face: FakeFace, fields: dict[str, object], param: str
) -> None:
    answer = ask(url, **fields)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"] == param
    assert param in error["message"]
    assert error["type"] == "invalid_request_error"
    assert face.asked == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_a_json_object_is_refused(url: str, body: bytes) -> None:
    answer = httpx.post(f"{url}/v1/completions", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "not_json"


def test_a_body_larger_than_any_prompt_is_refused(url: str) -> None:
    answer = httpx.post(f"{url}/v1/completions", content=b" " * (9 << 20), headers=JSON)
    assert answer.status_code == 413


def test_another_model_is_not_found(url: str) -> None:
    """As OpenAI's client expects it, with the name that there is."""
    with pytest.raises(openai.NotFoundError, match=MODEL):
        client(url).completions.create(model="other", prompt="hi")


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (BadRequest(ErrorCode.BAD_VALUE, "the prompt is too long", "prompt"), 400),
        (NotReady(ErrorCode.NOT_READY, "still loading"), 503),
    ],
)
def test_the_daemons_refusals_have_openais_shape(
    url: str, face: FakeFace, failure: BadRequest | NotReady, status: int
) -> None:
    face.failure = failure
    answer = ask(url)
    assert answer.status_code == status
    assert (answer.json()["error"]["code"], answer.json()["error"]["message"]) == (failure.code, failure.sentence)


def test_an_unexpected_error_tells_nothing_of_the_inside(url: str, face: FakeFace) -> None:
    face.failure = ValueError("secret path")
    answer = ask(url)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["code"] == "internal_error"


def test_requests_and_tokens_are_counted_by_generation(tmp_path: Path) -> None:
    face = FakeFace()
    with front(face, tmp_path, MODEL) as made:
        ask(made.url)
        ask(made.url, temperature=3)
        face.failure = ValueError("broken")
        ask(made.url)
        text = httpx.get(f"{made.url}/metrics").text
    assert 'hotswapd_requests_total{code="200",generation="3"} 1.0' in text
    assert 'hotswapd_requests_total{code="400",generation=""} 1.0' in text
    assert 'hotswapd_requests_total{code="500",generation=""} 1.0' in text
    assert 'hotswapd_tokens_total{generation="3"} 3.0' in text


def test_a_stream_is_counted_once_it_has_ended(tmp_path: Path) -> None:
    """With its tokens, like an answer in one piece."""
    with front(FakeFace(), tmp_path, MODEL) as made:
        assert events(ask(made.url, stream=True))[-1] == "[DONE]"
        text = httpx.get(f"{made.url}/metrics").text
    assert 'hotswapd_requests_total{code="200",generation="3"} 1.0' in text
    assert 'hotswapd_tokens_total{generation="3"} 3.0' in text


@pytest.mark.parametrize(("fails", "code", "end"), [(False, 200, "[DONE]"), (True, 500, "step_failed")])
def test_a_stream_is_counted_before_its_end_is_sent(fails: bool, code: int, end: str) -> None:
    """Whoever has the last event finds the request in the counts, and it is counted once."""
    counted: list[int] = []

    async def pieces() -> AsyncIterator[Piece]:
        yield Piece("hello", 3, None if fails else "stop")
        if fails:
            raise FaceError(ErrorCode.STEP_FAILED, "the model failed this request")

    conversation: Any = SimpleNamespace(pieces=pieces, taken=SimpleNamespace(generation=3))
    tally: Any = SimpleNamespace(request=lambda code, generation, tokens: counted.append(code))
    shape = ChatShape(HEAD, chat(stream=True), Letters())

    async def read() -> None:
        async for event in v1._events(conversation, shape, tally):
            assert counted == ([code] if end in event else [])

    asyncio.run(read())
    assert counted == [code]


@pytest.mark.parametrize("stream", [True, False])
def test_a_failed_step_is_reported_and_counted(tmp_path: Path, stream: bool) -> None:
    """A stream has its status already, so its last event is the error."""
    with front(FakeFace(finish="error"), tmp_path, MODEL) as made:
        answer = ask(made.url, stream=stream)
        text = httpx.get(f"{made.url}/metrics").text
    error = json.loads(events(answer)[-1]) if stream else answer.json()
    assert answer.status_code == (200 if stream else 503)
    assert error["error"]["code"] == "step_failed"
    assert 'hotswapd_requests_total{code="503",generation="3"} 1.0' in text


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_cancels_and_is_counted(tmp_path: Path, stream: bool) -> None:
    gate = threading.Event()
    face = FakeFace(gate=gate)
    body = json.dumps({"model": MODEL, "prompt": "hi", "stream": stream}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{KIND}Content-Length: {len(body)}\r\n\r\n".encode()
    with front(face, tmp_path, MODEL) as made:
        with socket.create_connection(made.servers.address) as connection:
            connection.sendall(head + body)
            assert face.waiting.acquire(timeout=30)
        counted = 'hotswapd_requests_total{code="499",generation="3"} 1.0'
        until(lambda: counted in httpx.get(f"{made.url}/metrics").text, "a client that went away was not counted")
        assert face.asked[-1] == ("cancel",)
    gate.set()  # a thread that still waits would end during another test, which may count threads


def test_several_answers_are_in_one_response(url: str) -> None:
    """For each prompt as many as are asked for; a prompt's tokens count once."""
    answer = client(url).completions.create(model=MODEL, prompt=["a", "b"], n=2)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(place, "hello") for place in range(4)]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (10, 12)
    chunks = list(client(url).chat.completions.create(model=MODEL, messages=[HI], n=2, stream=True))
    assert {chunk.choices[0].index for chunk in chunks} == {0, 1}


def test_a_response_is_answered_and_streamed(url: str, face: FakeFace) -> None:
    face.finish = "stop"
    raw = client(url).responses.with_raw_response.create(model=MODEL, input="hi")
    answer = raw.parse()
    assert raw.headers["X-Hotswapd-Generation"] == "3"
    assert (answer.output_text, answer.status) == ("hello", "completed")
    with client(url).responses.stream(model=MODEL, input=[HI]) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == "hello"
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


def test_a_failed_stream_of_a_response_says_so(tmp_path: Path) -> None:
    with front(FakeFace(finish="error"), tmp_path, MODEL) as made:
        told = list(client(made.url).responses.create(model=MODEL, input="hi", stream=True))
    assert told[-1].type == "response.failed"
