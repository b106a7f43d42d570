"""The HTTP API, over a real socket, with OpenAI's own client."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import pytest
from kits.daemon_fakes import DIGEST, FakeFace

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.errors import BadRequest, NotReady
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.face import Readiness
from hotswapd.daemon.service.servers import Servers

MODEL = "org/model"


@contextmanager
def serving(face: FakeFace, directory: Path, **serve) -> Iterator[str]:
    """Serve the face over a real socket and give its URL."""
    control = {"socket": str(directory / "c.sock")}
    settings = Settings(model={"base": MODEL}, serve={"port": 0, **serve}, control=control)
    servers = Servers(face, settings, Metrics())
    servers.start()
    try:
        yield f"http://127.0.0.1:{servers.address[1]}"
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    face = FakeFace()
    with serving(face, tmp_path_factory.mktemp("http")) as url:
        yield face, url


@pytest.fixture
def face(served):
    served[0].__init__()
    return served[0]


@pytest.fixture
def url(served, face):
    return served[1]


def client(url: str, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def ask(url: str, **fields):
    return httpx.post(f"{url}/v1/completions", json={"model": MODEL, "prompt": "hi", **fields})


def test_the_openai_client_gets_a_completion_that_names_its_generation(url, face):
    raw = client(url).completions.with_raw_response.create(model=MODEL, prompt="hi", max_tokens=7, stop=["\n"])
    answer = raw.parse()
    assert raw.headers["X-Hotswapd-Generation"] == "3"
    assert answer.system_fingerprint == f"hotswapd-g3-{DIGEST[:12]}"
    assert (answer.object, answer.model) == ("text_completion", MODEL)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("hello", "length")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 3, 8)
    assert face.asked == [("hi", 7, ("\n",))]


def test_the_base_models_fingerprint_has_zeros(url, face):
    face.generation, face.digest = 0, ""
    answer = ask(url)
    assert answer.json()["system_fingerprint"] == "hotswapd-g0-000000000000"
    assert answer.headers["X-Hotswapd-Generation"] == "0"


def test_token_ids_are_a_prompt_and_neutral_values_are_taken(url, face):
    answer = ask(url, prompt=[1, 2], stop="x", temperature=0.0, n=1, stream=False, logit_bias=None, seed=3, user="me")
    assert answer.status_code == 200
    assert face.asked == [([1, 2], 16, ("x",))]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 2.7}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"echo": True}, "echo"),
        ({"logprobs": 3}, "logprobs"),
        ({"top_k": -2}, "top_k"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, -2]}, "prompt"),
        ({"prompt": [True]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "7"}, "max_tokens"),
        ({"stop": [""]}, "stop"),
        ({"stop": 3}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"model": None}, "model"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_fields_name_and_reaches_no_model(url, face, fields, param):
    answer = ask(url, **fields)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"] == param
    assert param in error["message"]
    assert error["type"] == "invalid_request_error"
    assert face.asked == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(url, body):
    answer = httpx.post(f"{url}/v1/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "not_json"


def test_a_body_larger_than_any_prompt_is_refused(url):
    answer = httpx.post(f"{url}/v1/completions", content=b" " * (9 << 20))
    assert answer.status_code == 413


def test_another_model_is_not_found_as_openai_says_it(url):
    with pytest.raises(openai.NotFoundError, match=MODEL):
        client(url).completions.create(model="other", prompt="hi")


@pytest.mark.parametrize(
    ("failure", "status"),
    [(BadRequest("too_long", "the prompt is too long", "prompt"), 400), (NotReady("loading", "still loading"), 503)],
)
def test_what_the_daemon_refuses_comes_out_in_openais_shape(url, face, failure, status):
    face.failure = failure
    answer = ask(url)
    assert answer.status_code == status
    assert (answer.json()["error"]["code"], answer.json()["error"]["message"]) == (failure.code, failure.sentence)


def test_an_unexpected_error_tells_nothing_of_the_inside(url, face):
    face.failure = ValueError("secret path")
    answer = ask(url)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["code"] == "internal_error"


def test_models_lists_the_base(url):
    assert [model.id for model in client(url).models.list()] == [MODEL, f"{MODEL}@g3"]


@pytest.fixture
def keyed(tmp_path):
    file = tmp_path / "key"
    file.write_text("sesame\n")
    with serving(FakeFace(), tmp_path, api_key_file=str(file)) as url:
        yield url, file


def test_a_key_is_asked_for_only_where_the_model_is(keyed):
    url, _ = keyed
    assert client(url, "sesame").completions.create(model=MODEL, prompt="hi").choices[0].text == "hello"
    for wrong in ("Bearer", "Bearer sesam", "Bearer sesame2", "Bearer ключ", "Basic sesame", "sesame"):
        answer = httpx.post(f"{url}/v1/completions", json={}, headers=[(b"Authorization", wrong.encode())])
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert httpx.get(f"{url}/v1/models").status_code == 401
    assert httpx.get(f"{url}/health/ready").status_code == 200
    assert httpx.get(f"{url}/metrics").status_code == 200


def test_a_new_key_needs_no_restart_and_a_lost_or_empty_one_lets_nobody_in(keyed):
    url, file = keyed

    def status(header: str) -> int:
        return httpx.get(f"{url}/v1/models", headers={"Authorization": header}).status_code

    assert status("Bearer sesame") == 200
    file.write_text("two")
    assert (status("Bearer sesame"), status("Bearer two")) == (401, 200)
    file.write_text("")
    assert (status("Bearer"), status("Bearer two")) == (401, 401)
    file.unlink()
    assert status("Bearer two") == 401


def test_health_says_ready_or_why_not(url, face):
    assert httpx.get(f"{url}/health/live").json() == {"live": True}
    assert httpx.get(f"{url}/health/ready").json() == {"ready": True, "reason": None}
    face.readiness = Readiness(False, "loading the base model")
    answer = httpx.get(f"{url}/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reason": "loading the base model"}
    assert httpx.get(f"{url}/health/live").status_code == 200


def test_requests_and_tokens_are_counted_by_generation(tmp_path):
    face = FakeFace()
    with serving(face, tmp_path) as url:
        ask(url)
        ask(url, temperature=3)
        face.failure = ValueError("broken")
        ask(url)
        text = httpx.get(f"{url}/metrics").text
    assert 'hotswapd_requests_total{code="200",generation="3"} 1.0' in text
    assert 'hotswapd_requests_total{code="400",generation=""} 1.0' in text
    assert 'hotswapd_requests_total{code="500",generation=""} 1.0' in text
    assert 'hotswapd_tokens_total{generation="3"} 3.0' in text


@pytest.mark.parametrize("path", ["/status", "/submit", "/rollback", "/docs", "/openapi.json", "/v1/other"])
def test_no_path_here_changes_state_or_shows_more(url, path):
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{url}{path}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
