"""The dataset gate: how much worse than the live generation and the base a candidate may be."""

import math

import pytest

from hotswapd.swap.gates.dataset import dataset_tokens, dataset_verdict
from hotswapd.swap.gates.spec import Dataset, Example, Outcome

DATASET = Dataset((Example((1, 2, 3)), Example((4, 5), given=1)), max_ratio=1.1)


@pytest.mark.parametrize(
    ("now", "live", "base", "whose"),
    [
        (11.0, 10.0, 10.0, ""),
        (11.01, 10.0, 20.0, "the live generation's"),
        (11.01, 20.0, 10.0, "the bare base's"),
        (math.inf, math.inf, math.inf, ""),
        (math.inf, 10.0, math.inf, "the live generation's"),
        (math.nan, 10.0, 10.0, "the live generation's"),
    ],
)
def test_a_candidate_may_be_worse_by_the_ratio(now: float, live: float, base: float, whose: str) -> None:
    """The limit itself passes, and the sentence names what the candidate is worse than."""
    verdict = dataset_verdict(DATASET, now, live, base)
    assert (verdict.outcome, verdict.code) == ((Outcome.FAILED, "dataset_worse") if whose else (Outcome.PASSED, ""))
    assert whose in verdict.sentence


def test_its_numbers_are_all_there() -> None:
    """A verdict that passed has them too."""
    numbers = dataset_verdict(DATASET, 8.0, 10.0, 16.0).numbers
    assert (numbers["ratio_to_live"], numbers["ratio_to_base"]) == (0.8, 0.5)
    assert numbers["tokens"] == dataset_tokens(DATASET) == 5
