"""The clients that the fleet's measurement has: they ask a real server, and accept no answer that is not whole."""

import json
import urllib.parse
from collections.abc import Iterator

import pytest
from kits.serving import MODEL, Served, served

from hotswapd.daemon.bench.streams import Streams


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as made:
        yield made


def streams(server: Served, model: str = MODEL, tokens: int = 12) -> Streams:
    return Streams(urllib.parse.urlsplit(server.url).port or 0, model, 8, tokens)


def test_streams_are_asked_to_their_end(server: Served) -> None:
    assert streams(server).first(0) > 0
    assert streams(server).at_once(4, 1) > 0


@pytest.mark.parametrize(("model", "tokens"), [("nobody", 12), (MODEL, 10_000)])
def test_what_is_refused_is_no_figure(server: Served, model: str, tokens: int) -> None:
    with pytest.raises(RuntimeError, match=r"40[04]: "):
        streams(server, model, tokens).at_once(2, 0)


def test_no_prompt_begins_as_another_does() -> None:
    """A server that remembers beginnings would answer the second one sooner."""
    asked = [json.loads(Streams(1, MODEL, 32, 2)._body(number))["prompt"] for number in range(1000)]
    assert len({tuple(prompt[:8]) for prompt in asked}) == len(asked)
