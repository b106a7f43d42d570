"""Requests name a channel in `model`, and are answered by what is live in it."""

from collections.abc import Iterator

import httpx
import pytest
from kits.models import byte_tokenizer, text_of
from kits.rows import LONG, reference
from kits.serving import GENERATION, MODEL, Served
from kits.ways import WAYS, served_by

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.serve.split import NoSplit

CHANNEL = "X-Hotswapd-Channel"
PROMPT, TOKENS = "the cat sat", 10
SUPPORT, SALES = 2, 3


class Two(NoSplit):
    """Two channels beside the default one, without rollouts."""

    def names(self) -> list[str]:
        return [DEFAULT, "sales", "support"]

    def has(self, name: str) -> bool:
        return name in self.names()

    def owns(self, number: int, name: str) -> bool:
        return number == 0 or {1: "support", 2: "sales"}.get(number, DEFAULT) == name


@pytest.fixture(scope="module", params=WAYS)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The base for everybody else, and an adapter in each of both channels."""
    with served_by(request.param, tmp_path_factory.mktemp("room"), Two()) as made:
        made.bench.swap(SUPPORT, name="support")
        made.bench.swap(SALES, name="sales")
        yield made


def ask(one: Served, model: str) -> httpx.Response:
    body = {"model": model, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0}
    return httpx.post(f"{one.url}/v1/completions", json=body, timeout=LONG)


def truth(index: int | None) -> str:
    return text_of(list(reference(index, tuple(byte_tokenizer().encode(PROMPT)), TOKENS)))


@pytest.mark.parametrize(
    ("model", "channel", "generation", "index"),
    [
        (MODEL, "default", "0", None),
        ("support", "support", "1", SUPPORT),
        ("sales", "sales", "2", SALES),
        ("sales@g2", "sales", "2", SALES),
        (f"{MODEL}@g0", "default", "0", None),
        ("support@g0", "support", "0", None),
    ],
)
def test_a_channel_answers_with_what_is_live_in_it(
    one: Served, model: str, channel: str, generation: str, index: int | None
) -> None:
    answer = ask(one, model)
    assert answer.json()["choices"][0]["text"] == truth(index)
    assert (answer.headers[CHANNEL], answer.headers[GENERATION]) == (channel, generation)
    assert answer.json()["model"] == model


def test_channels_are_models(one: Served) -> None:
    listed = [model.id for model in one.client.models.list()]
    assert listed[0] == MODEL
    assert listed[-2:] == ["sales", "support"]
    assert one.client.models.retrieve("support").id == "support"


@pytest.mark.parametrize("model", ["marketing", "support@canary", "support@g9", "support@g2", f"{MODEL}@g1"])
def test_what_no_channel_has_is_not_found(one: Served, model: str) -> None:
    assert ask(one, model).status_code == 404
