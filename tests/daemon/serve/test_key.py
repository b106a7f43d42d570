"""The API key: where it is asked for, how it is compared, and what a new or a lost one does."""

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import front
from structlog.testing import capture_logs

MODEL = "org/model"


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    file = tmp_path / "key"
    file.write_text("sesame\n")
    with front(FakeFace(), tmp_path, MODEL, api_key_file=str(file)) as made:
        yield made.url, file


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def ask(url: str, key: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/v1/completions", json={"model": MODEL, "prompt": "hi"}, headers=headers)


def status(url: str, header: str) -> int:
    return httpx.get(f"{url}/v1/models", headers={"Authorization": header}).status_code


def test_a_key_is_asked_for_only_where_the_model_is(keyed: tuple[str, Path]) -> None:
    url, _ = keyed
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="sesame", max_retries=0)
    assert client.completions.create(model=MODEL, prompt="hi").choices[0].text == "hello"
    for wrong in ("Bearer", "Bearer sesam", "Bearer sesame2", "Bearer ключ", "Basic sesame", "sesame"):
        answer = httpx.post(f"{url}/v1/completions", json={}, headers=[(b"Authorization", wrong.encode())])
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert httpx.get(f"{url}/v1/models").status_code == 401
    assert httpx.get(f"{url}/health/ready").status_code == 200
    assert httpx.get(f"{url}/metrics").status_code == 200


def test_a_new_key_needs_no_restart(keyed: tuple[str, Path]) -> None:
    url, file = keyed
    assert status(url, "Bearer sesame") == 200
    file.write_text("two")
    assert (status(url, "Bearer sesame"), status(url, "Bearer two")) == (401, 200)


def test_a_lost_or_empty_key_lets_nobody_in(keyed: tuple[str, Path]) -> None:
    url, file = keyed
    file.write_text("")
    assert (status(url, "Bearer"), status(url, "Bearer two")) == (401, 401)
    file.unlink()
    assert status(url, "Bearer two") == 401


def test_keys_are_compared_in_constant_time(keyed: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every given key, of whatever length, goes through the comparison that tells nothing by its time."""
    compare, compared = hmac.compare_digest, []

    def noting(given: str, wanted: str) -> bool:
        compared.append((given, wanted))
        return compare(given, wanted)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    given = ("sesame", "sesamE", "s", "sesamesesame")
    assert [status(keyed[0], f"Bearer {key}") for key in given] == [200, 401, 401, 401]
    assert compared == [(digest(key), digest("sesame")) for key in given]


def test_each_named_key_is_let_in_and_counted(tmp_path: Path) -> None:
    """Beside the one in `api_key_file`; every key is compared, whichever it is."""
    (tmp_path / "key").write_text("sesame")
    (tmp_path / "keys").write_text(f"alice {digest('wonder')}\nbob {digest('builder')}\n")
    face = FakeFace()
    files: dict[str, Any] = {"api_key_file": str(tmp_path / "key"), "api_keys_file": str(tmp_path / "keys")}
    with front(face, tmp_path, MODEL, **files) as made:
        for key in ("sesame", "wonder", "builder"):
            ask(made.url, key)
        assert status(made.url, f"Bearer {digest('wonder')}") == 401
        text = httpx.get(f"{made.url}/metrics").text
    for name in ("default", "alice", "bob"):
        assert f'hotswapd_key_requests_total{{code="200",key="{name}"}} 1.0' in text
        assert f'hotswapd_key_tokens_total{{key="{name}"}} 3.0' in text


def test_a_key_has_so_many_requests_a_minute(tmp_path: Path) -> None:
    """And then hears when to come again; another key is not held up."""
    (tmp_path / "keys").write_text(f"alice {digest('a')} requests=2\nbob {digest('b')}\n")
    with front(FakeFace(), tmp_path, MODEL, api_keys_file=str(tmp_path / "keys")) as made:
        assert [ask(made.url, "a").status_code for _ in range(3)] == [200, 200, 429]
        refused = ask(made.url, "a")
        assert refused.json()["error"]["code"] == "rate_limited"
        assert 1 <= int(refused.headers["Retry-After"]) <= 30
        assert ask(made.url, "b").status_code == 200
        assert httpx.get(f"{made.url}/v1/models", headers={"Authorization": "Bearer a"}).status_code == 200
        assert 'hotswapd_key_requests_total{code="429",key="alice"} 2.0' in httpx.get(f"{made.url}/metrics").text


def test_a_key_has_so_many_tokens_a_minute(tmp_path: Path) -> None:
    """Those of prompts and answers: 5 and 3 of them each time."""
    (tmp_path / "keys").write_text(f"alice {digest('a')} tokens=16\n")
    with front(FakeFace(), tmp_path, MODEL, api_keys_file=str(tmp_path / "keys")) as made:
        assert [ask(made.url, "a").status_code for _ in range(3)] == [200, 200, 200]
        assert ask(made.url, "a").status_code == 429


def test_the_log_names_the_key_and_not_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"alice {digest('wonder')} requests=1\n")
    with front(FakeFace(), tmp_path, MODEL, api_keys_file=str(tmp_path / "keys")) as made, capture_logs() as lines:
        assert [ask(made.url, "wonder").status_code for _ in range(2)] == [200, 429]
    assert [line["key"] for line in lines if line["event"] == "rate_limited"] == ["alice"]
    assert "wonder" not in str(lines)


def test_a_missing_key_hears_how_to_send_one(keyed: tuple[str, Path]) -> None:
    assert httpx.get(f"{keyed[0]}/status.json").headers["WWW-Authenticate"] == "Bearer"
