"""``/v1/models``: all names, and one of them."""

from collections.abc import Iterator

import httpx
import openai
import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import Front, front

MODEL = "org/model"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with front(FakeFace(), tmp_path_factory.mktemp("models"), MODEL, model_names=["nice", "also/nice"]) as made:
        yield made


def client(served: Front) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)


def test_the_first_name_is_listed_first(served: Front) -> None:
    listed = list(client(served).models.list())
    assert [model.id for model in listed] == ["nice", "also/nice", "nice@g3"]
    assert {model.object for model in listed} == {"model"}


@pytest.mark.parametrize("name", ["nice", "also/nice", MODEL, "model", "nice@g3", f"{MODEL}@g3"])
def test_every_name_can_be_looked_up(served: Front, name: str) -> None:
    """Also one that is not listed, and one with slashes, which may be escaped."""
    assert client(served).models.retrieve(name).id == name
    answer = httpx.get(f"{served.url}/v1/models/{name}").json()
    assert (answer["id"], answer["root"], answer["max_model_len"]) == (name, "nice", 448)


@pytest.mark.parametrize("name", ["other", "nice@g9", "nice@canary", "nice/", "a/b/c"])
def test_no_other_name_is_found(served: Front, name: str) -> None:
    answer = httpx.get(f"{served.url}/v1/models/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] in {"model_not_found", "generation_not_served", "no_canary"}


def test_any_name_is_answered(served: Front) -> None:
    for name in ("nice", MODEL, "model", "also/nice@g3"):
        body = {"model": name, "prompt": "hi"}
        answer = httpx.post(f"{served.url}/v1/completions", json=body)
        assert answer.json()["model"] == name
