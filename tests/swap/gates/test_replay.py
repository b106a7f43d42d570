"""The replay gate: what its score is, when it is undecided, and what one client can do to it."""

import random
from dataclasses import replace

import pytest

from hotswapd.swap.gates.replay import Losses, interval, middle, replay_verdict, score, too_few
from hotswapd.swap.gates.spec import Outcome, Replay

TABLE = Replay()
REFUSES = replace(TABLE, outcome="refuse")


def losses(at: float, count: int = 40, client: str = "", seed: int = 0, gap: float = 1.0) -> list[Losses]:
    """Make answers on which a candidate scores `at`, more or less; each of a client of its own by default."""
    rng = random.Random(seed)
    made = []
    for index in range(count):
        live, width = rng.uniform(0.1, 0.4), gap * rng.uniform(0.7, 1.3)
        now = live + at * width + rng.gauss(0.0, 0.1 * gap)
        made.append(Losses(now, live, live + width, client or f"client {index}"))
    return made


def test_the_live_generation_scores_0_and_the_base_1() -> None:
    """By definition."""
    some = losses(0.5)
    assert score([replace(one, now=one.live) for one in some]) == 0
    assert score([replace(one, now=one.base) for one in some]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("at", "table", "outcome", "code"),
    [
        (0.3, REFUSES, Outcome.PASSED, ""),
        (-0.2, REFUSES, Outcome.PASSED, ""),
        (1.2, REFUSES, Outcome.FAILED, "replay_differs"),
        (1.2, TABLE, Outcome.WARNED, "replay_differs"),
        (0.7, REFUSES, Outcome.PASSED, "replay_undecided"),
    ],
)
def test_a_score_beyond_the_limit_warns_or_refuses(at: float, table: Replay, outcome: Outcome, code: str) -> None:
    """Where its interval has the limit in it, nothing is decided, and that is said."""
    verdict = replay_verdict(losses(at), table)
    assert (verdict.outcome, verdict.code) == (outcome, code)
    numbers = verdict.numbers
    assert numbers["score_low"] <= numbers["score"] <= numbers["score_high"]
    assert numbers["answers"] == 40


def test_it_is_undecided_where_base_and_live_hardly_differ() -> None:
    """A quotient of two small numbers says nothing, however large it is."""
    verdict = replay_verdict(losses(5.0, gap=0.15), REFUSES)
    assert (verdict.outcome, verdict.code) == (Outcome.PASSED, "replay_undecided")
    assert "0.2" in verdict.sentence
    assert "score" not in verdict.numbers


def test_it_is_undecided_with_too_few_answers() -> None:
    """The sentence names the key."""
    verdict = too_few(3, TABLE)
    assert (verdict.outcome, verdict.code) == (Outcome.PASSED, "replay_undecided")
    assert "3 answers" in verdict.sentence
    assert "verify.replay.min_answers is 16" in verdict.sentence


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 1e300])
def test_a_loss_that_is_not_finite_is_as_bad_as_one_can_be(loss: float) -> None:
    """It does not make the verdict something that is neither above nor below the limit."""
    from hotswapd.swap.gates.replay import _mean

    some = [replace(one, now=_mean(loss, 1)) for one in losses(0.0)]
    assert replay_verdict(some, REFUSES).code == "replay_differs"


def test_one_client_cannot_have_a_successor_refused() -> None:
    """A third of the answers, and half of them: whatever they are, without them the verdict would be another."""
    for share in (20, 40):
        mixed = losses(0.2, 40) + losses(50.0, share, client="attacker", seed=1)
        assert replay_verdict(mixed, REFUSES).outcome == Outcome.PASSED


def test_a_third_of_the_answers_changes_no_verdict() -> None:
    """Of successors and of spoilt ones, whichever way it is pulled."""
    for seed in range(3):
        for at, expected in ((0.2, Outcome.PASSED), (1.5, Outcome.FAILED)):
            for pull, gap in ((-1.0, 1.0), (0.0, 0.001), (0.3, 1.0), (1.5, 0.001), (50.0, 1.0), (1.0, 50.0)):
                theirs = losses(pull, 21, client="attacker", seed=seed + 1, gap=gap)
                found = replay_verdict(losses(at, 43, seed=seed) + theirs, REFUSES)
                assert found.outcome == expected, (seed, at, pull, gap)


def test_the_interval_is_calibrated() -> None:
    """Of many samples of the same traffic, about 95 % have the score of all of it in their intervals."""
    everything = losses(0.6, 4000)
    rng, truth = random.Random(3), score(everything)
    hits = sum(low <= truth <= high for low, high in (interval(rng.sample(everything, 32)) for _ in range(60)))
    assert hits >= 50


def test_the_middle_is_where_a_third_of_the_values_cannot_reach() -> None:
    """They can move it only as far as the others are apart."""
    assert middle([0.0, 1.0, 2.0, 1e9]) == 1.5
    assert middle([1.0, 2.0, 3.0, 4.0, 1e9, 1e9]) <= 4.0
    assert middle([3.0]) == 3.0
