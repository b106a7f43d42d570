"""What gates measure is what a fresh PEFT load would measure, however the text is cut into turns."""

import math
from contextlib import contextmanager

import pytest
import torch
from kits.adapters import greedy, logits, oracle_model
from kits.lanes import adapter, bench, home

from hotswapd.swap.gates.golden import golden_verdict
from hotswapd.swap.gates.reading import look_at, perplexity, score, write
from hotswapd.swap.gates.spec import Example, Golden, Limits, Outcome
from hotswapd.swap.gates.turns import GateTurns, Surroundings

TEXT = tuple((13 * i * i + 5 * i) % 256 for i in range(300))


@pytest.fixture(scope="module")
def made():
    """Open an engine whose lanes run: gates share the model with them."""
    with bench() as bench_:
        yield bench_


@contextmanager
def candidate(made):
    image = made.resident.stage(made.resident.admit(adapter(2)), "2" * 64)
    try:
        yield image
    finally:
        made.resident.drop(image)


def turns(made, **limits) -> GateTurns:
    return GateTurns(made.resident, Limits(**limits), Surroundings())


def reference_losses(tokens: tuple[int, ...]) -> list[float]:
    model = oracle_model(home() / "base", adapter(2))
    scores = logits(model, list(tokens))[:-1]
    return torch.nn.functional.cross_entropy(scores, torch.tensor(tokens[1:]), reduction="none").tolist()


@pytest.mark.parametrize("size", [7, 64, 256, 1000])
def test_losses_are_those_of_peft_however_long_a_turn_is(made, size: int) -> None:
    """Cut into pieces of 7 tokens or read at once, every token's loss is the reference's."""
    with candidate(made) as image:
        seen = look_at(turns(made, turn_tokens=size), image, TEXT)
    assert seen.losses == pytest.approx(reference_losses(TEXT), abs=1e-3)
    assert len(seen.picks) == len(TEXT)


def test_short_texts_are_scored_together_and_come_out_the_same(made) -> None:
    """Texts of different lengths in one turn are scored as each alone; what is given does not count."""
    examples = [Example(TEXT[at : at + 5 + at % 9], 1 + at % 3) for at in range(0, 200, 10)]
    with candidate(made) as image:
        gate = turns(made, turn_tokens=256)
        total, count = score(gate, image, examples)
    expected = [loss for one in examples for loss in reference_losses(one.tokens)[one.given - 1 :]]
    assert count == len(expected)
    assert total == pytest.approx(sum(expected), rel=1e-4)
    assert gate.turns < len(examples) / 4


def test_an_answer_is_written_as_peft_writes_it(made) -> None:
    """The greedy answer, one token a turn, is the reference's, and ends at the text's end."""
    with candidate(made) as image:
        written = list(write(turns(made, turn_tokens=16), image, TEXT[:40], 12, ()))
        assert written == greedy(oracle_model(home() / "base", adapter(2)), list(TEXT[:40]), 12)
        assert list(write(turns(made), image, TEXT[:40], 12, (written[3],))) == written[: written.index(written[3])]


def test_a_golden_prompt_holds_the_answer_against_what_must_be_true(made) -> None:
    """Each condition passes or fails by itself, with its key and the answer or the number in the sentence."""
    tokenizer = made.resident.tokenizer
    decode = lambda tokens: tokenizer.decode(list(tokens))  # noqa: E731
    with candidate(made) as image:
        text = decode(list(write(turns(made), image, TEXT[:20], 8, ())))

        def verdict(**condition):
            import re

            if "expect" in condition:
                condition["expect"] = re.compile(condition["expect"])
            golden = Golden("verify.probe[3]", TEXT[:20], 8, **condition)
            return golden_verdict(turns(made), image, golden, decode, ())

        assert verdict(contains=text[1:4]).outcome == Outcome.PASSED
        assert verdict(expect=".").outcome == Outcome.PASSED
        for condition, word in (
            ({"contains": "not in it"}, "contains"),
            ({"expect": "^not at all$"}, "expect"),
            ({"answer": (9, 9, 9), "max_perplexity": 1.01}, "max_perplexity"),
            ({"answer": (9, 9, 9), "min_logprob": -1e-6}, "min_logprob"),
        ):
            failed = verdict(**condition)
            assert (failed.outcome, failed.code) == (Outcome.FAILED, "golden_prompt")
            assert f"verify.probe[3].{word}" in failed.sentence
        scored = verdict(answer=TEXT[20:24], max_perplexity=1e9)
    losses = reference_losses(TEXT[:24])[19:]
    assert scored.numbers["perplexity"] == pytest.approx(math.exp(sum(losses) / 4), rel=1e-3)
    assert scored.numbers["lowest_logprob"] == pytest.approx(-max(losses), abs=1e-3)


def test_a_perplexity_that_is_no_number_is_infinite() -> None:
    """Not a number, beyond a float and nothing at all are as bad as can be."""
    assert perplexity(math.nan, 3) == perplexity(1e9, 3) == perplexity(0.0, 0) == math.inf
