"""What gates measure is what a fresh PEFT load would measure, however the text is cut into turns."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from kits.adapters import greedy, logits, oracle_model
from kits.rows import Bench, adapter, bench, home

from hotswapd.swap.berths.image import Image
from hotswapd.swap.gates.reading import perplexity, read_text, score, write
from hotswapd.swap.gates.spec import Example, Limits
from hotswapd.swap.gates.turns import GateTurns, Surroundings

TEXT = tuple((13 * i * i + 5 * i) % 256 for i in range(300))


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    """Open an engine whose loop runs: gates share the model with it."""
    with bench() as bench_:
        yield bench_


@contextmanager
def candidate(made: Bench) -> Iterator[Image]:
    image = made.resident.stage(made.resident.admit(adapter(2)), "2" * 64)
    try:
        yield image
    finally:
        made.resident.drop(image)


def turns(made: Bench, **limits: Any) -> GateTurns:
    return GateTurns(made.resident, Limits(**limits), Surroundings())


def reference_losses(tokens: tuple[int, ...]) -> list[float]:
    model = oracle_model(home() / "base", adapter(2))
    scores = logits(model, list(tokens))[:-1]
    found: list[float] = torch.nn.functional.cross_entropy(scores, torch.tensor(tokens[1:]), reduction="none").tolist()
    return found


@pytest.mark.parametrize("size", [7, 64, 256, 1000])
def test_losses_are_those_of_peft_however_long_a_turn_is(made: Bench, size: int) -> None:
    """Cut into pieces of 7 tokens or read at once, every token's loss is the reference's."""
    with candidate(made) as image:
        seen = read_text(turns(made, turn_tokens=size), image, TEXT)
    assert seen.losses == pytest.approx(reference_losses(TEXT), abs=1e-3)
    assert len(seen.picks) == len(TEXT)


def test_short_texts_are_scored_together_and_come_out_the_same(made: Bench) -> None:
    """Texts of different lengths in one turn are scored as each alone; what is given does not count."""
    examples = [Example(TEXT[at : at + 5 + at % 9], 1 + at % 3) for at in range(0, 200, 10)]
    with candidate(made) as image:
        gate = turns(made, turn_tokens=256)
        total, count = score(gate, image, examples)
    expected = [loss for one in examples for loss in reference_losses(one.tokens)[one.given - 1 :]]
    assert count == len(expected)
    assert total == pytest.approx(sum(expected), rel=1e-4)
    assert gate.turns < len(examples) / 4


def test_an_answer_is_written_as_peft_writes_it(made: Bench) -> None:
    """The greedy answer, one token a turn, is the reference's, and ends at the text's end."""
    with candidate(made) as image:
        written = list(write(turns(made, turn_tokens=16), image, TEXT[:40], 12, ()))
        assert written == greedy(oracle_model(home() / "base", adapter(2)), list(TEXT[:40]), 12)
        assert list(write(turns(made), image, TEXT[:40], 12, (written[3],))) == written[: written.index(written[3])]


def test_a_perplexity_that_is_no_number_is_infinite() -> None:
    """Not a number, beyond a float and nothing at all are as bad as can be."""
    assert perplexity(math.nan, 3) == perplexity(1e9, 3) == perplexity(0.0, 0) == math.inf
