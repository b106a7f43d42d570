"""Who may come in: by the name of the host, and by the page that sent the request."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import Front, front

ASK = {"model": "m", "prompt": "hi"}
FOREIGN_HOSTS = ["evil.example", "localhost.evil.example", "10.1.2.4", "ai.example.evil", "1", "[::2]:80"]
FOREIGN_ORIGINS = ["http://evil.example", "null", "http://localhost:3000", "https://app.example.evil", "x"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    directory = tmp_path_factory.mktemp("threshold")
    with front(FakeFace(), directory, hosts=("ai.example", "10.1.2.3"), cors_origins=("https://app.example",)) as one:
        yield one


def status(made: Front, path: str, **headers: str) -> int:
    return httpx.get(f"{made.url}{path}", headers=headers).status_code


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "a.localhost", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80", "localhost."]
    + ["ai.example", "AI.example:8443", "10.1.2.3"],
)
def test_names_of_this_host_are_answered(made: Front, host: str) -> None:
    assert status(made, "/v1/models", Host=host) == 200


@pytest.mark.parametrize("path", ["/", "/v1/models", "/status.json", "/metrics", "/health/live", "/nowhere"])
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.1.2.4", "ai.example.evil", "1", "[::2]:80"]
)
def test_any_other_name_is_misdirected(made: Front, path: str, host: str) -> None:
    answer = httpx.get(f"{made.url}{path}", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "unknown_host"


def test_a_wildcard_listener_is_answered_by_its_address(tmp_path: Path) -> None:
    with front(FakeFace(), tmp_path, host="0.0.0.0") as one:
        assert status(one, "/health/live", Host="127.0.0.1") == 200
        assert status(one, "/health/live", Host="0.0.0.0") == 421
        assert status(one, "/health/live", Host="192.0.2.1") == 421


@pytest.mark.parametrize("path", ["/v1/models", "/status.json", "/metrics", "/health/live"])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "https://app.example.evil", "x"]
)
def test_pages_of_other_sites_may_not_call(made: Front, path: str, origin: str) -> None:
    answer = httpx.get(f"{made.url}{path}", headers={"Origin": origin})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign_origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_our_own_page_may_call(made: Front) -> None:
    assert status(made, "/status.json", Origin=made.url) == 200
    assert status(made, "/status.json", Origin="https://ai.example", Host="ai.example") == 200
    assert status(made, "/status.json", Origin="https://ai.example", Host="ai.example:443") == 200
    assert status(made, "/status.json", Origin="https://ai.example", Host="ai.example:444") == 403


def test_a_listed_origin_may_call_and_read(made: Front) -> None:
    """Errors too: a page that may not read them cannot tell its user what is wrong."""
    origin = {"Origin": "https://app.example"}
    answer = httpx.post(f"{made.url}/v1/completions", json=ASK, headers=origin)
    assert answer.status_code == 200
    for one in (answer, httpx.post(f"{made.url}/v1/completions", json={}, headers=origin)):
        assert one.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert "Origin" in one.headers["Vary"]
        assert "X-Hotswapd-Generation" in one.headers["Access-Control-Expose-Headers"]


def test_a_preflight_is_answered_for_listed_origins(made: Front) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, x-stainless-os"}
    url = f"{made.url}/v1/chat/completions"
    answer = httpx.options(url, headers={"Origin": "https://app.example", **asked})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, x-stainless-os"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert httpx.options(url, headers={"Origin": "http://evil.example", **asked}).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_a_body_must_say_that_it_is_json(made: Front, kind: str, path: str) -> None:
    answer = httpx.post(f"{made.url}{path}", content=b'{"model": "m"}', headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "not_application_json"


def test_json_may_name_its_charset(made: Front) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = httpx.post(f"{made.url}/v1/completions", content=b'{"model": "m", "prompt": "hi"}', headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1/models", "/status.json", "/metrics", "/health/live", "/health/ready"])
def test_head_is_where_get_is(made: Front, path: str) -> None:
    answer = httpx.head(f"{made.url}{path}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


def test_a_wrong_method_hears_the_right_ones(made: Front) -> None:
    assert httpx.post(f"{made.url}/health/live").headers["Allow"] == "GET, HEAD"
    assert httpx.get(f"{made.url}/v1/completions").headers["Allow"] == "POST"
