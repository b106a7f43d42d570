"""The API key: where it is asked for, how it is compared, and what a new or a lost one does."""

import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import front

MODEL = "org/model"


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    file = tmp_path / "key"
    file.write_text("sesame\n")
    with front(FakeFace(), tmp_path, MODEL, api_key_file=str(file)) as made:
        yield made.url, file


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

    def noting(given: bytes, wanted: bytes) -> bool:
        compared.append((given, wanted))
        return compare(given, wanted)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    given = ("sesame", "sesamE", "s", "sesamesesame")
    assert [status(keyed[0], f"Bearer {key}") for key in given] == [200, 401, 401, 401]
    assert compared == [(key.encode(), b"sesame") for key in given]
