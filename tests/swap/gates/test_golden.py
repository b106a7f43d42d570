"""Golden prompts: each condition on the answer passes or fails by itself."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from kits.adapters import logits, oracle_model
from kits.rows import Bench, adapter, bench, home

from hotswapd.swap.berths.image import Image
from hotswapd.swap.gates.golden import golden_verdict
from hotswapd.swap.gates.reading import write
from hotswapd.swap.gates.spec import Golden, Limits, Outcome, Verdict
from hotswapd.swap.gates.turns import GateTurns, Surroundings

TEXT = tuple((13 * i * i + 5 * i) % 256 for i in range(24))
KEY = "verify.probe[3]"


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with bench() as bench_:
        yield bench_


@pytest.fixture(scope="module")
def candidate(made: Bench) -> Iterator[Image]:
    image = made.resident.stage(made.resident.admit(adapter(2)), "2" * 64)
    yield image
    made.resident.drop(image)


def decode(made: Bench, tokens: Sequence[int]) -> str:
    return str(made.resident.tokenizer.decode(list(tokens)))


def verdict(made: Bench, image: Image, **condition: Any) -> Verdict:
    golden = Golden(KEY, TEXT[:20], 8, **condition)
    turns = GateTurns(made.resident, Limits(), Surroundings())
    return golden_verdict(turns, image, golden, lambda tokens: decode(made, tokens), ())


def test_an_answer_that_meets_its_condition_passes(made: Bench, candidate: Image) -> None:
    """A text that it contains, or a pattern that it matches."""
    turns = GateTurns(made.resident, Limits(), Surroundings())
    text = decode(made, list(write(turns, candidate, TEXT[:20], 8, ())))
    assert verdict(made, candidate, contains=text[1:4]).outcome == Outcome.PASSED
    assert verdict(made, candidate, expect=re.compile(".")).outcome == Outcome.PASSED


@pytest.mark.parametrize(
    ("condition", "word"),
    [
        ({"contains": "not in it"}, "contains"),
        ({"expect": re.compile("^not at all$")}, "expect"),
        ({"answer": (9, 9, 9), "max_perplexity": 1.01}, "max_perplexity"),
        ({"answer": (9, 9, 9), "min_logprob": -1e-6}, "min_logprob"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_condition_that_is_not_met_is_named(
    made: Bench, candidate: Image, condition: dict[str, Any], word: str
) -> None:
    """The sentence has its key and the answer or the number."""
    failed = verdict(made, candidate, **condition)
    assert (failed.outcome, failed.code) == (Outcome.FAILED, "golden_prompt")
    assert f"{KEY}.{word}" in failed.sentence


def test_a_given_answer_is_scored_as_peft_scores_it(made: Bench, candidate: Image) -> None:
    """Its perplexity and its lowest log-probability are those of a fresh PEFT load."""
    scored = verdict(made, candidate, answer=TEXT[20:24], max_perplexity=1e9)
    scores = logits(oracle_model(home() / "base", adapter(2)), list(TEXT))[19:-1]
    losses = torch.nn.functional.cross_entropy(scores, torch.tensor(TEXT[20:]), reduction="none").tolist()
    assert scored.numbers["perplexity"] == pytest.approx(math.exp(sum(losses) / 4), rel=1e-3)
    assert scored.numbers["lowest_logprob"] == pytest.approx(-max(losses), abs=1e-3)
