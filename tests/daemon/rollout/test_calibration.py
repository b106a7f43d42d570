"""How often a rollout's decision is wrong: as often as the documentation says, by simulation with fixed seeds."""

import math
import random
from functools import cache
from typing import Any

from kits.queues import sure

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.rollout.trial import Action, Trial
from hotswapd.daemon.share import CANARY, LIVE
from hotswapd.swap.rows.ended import Ended

TRIALS, REQUESTS = 300, 60
SIGNIFICANCE = 0.05
STUCK = (7,) * 40
GENERATIONS = {LIVE: 3, CANARY: 4}


def trial(**fields: Any) -> Trial:
    """Make a rollout in which every difference counts as large, so that only chance is left to stop a drop."""
    tiny: dict[str, Any] = {"max_latency_ratio": 1.000001, "max_length_ratio": 1.000001, "significance": SIGNIFICANCE}
    tiny |= {"max_logprob_drop": 1e-9}
    table = Rollout(mode="canary", min_requests=REQUESTS, min_seconds=0.0, feedback=True, **(tiny | fields))
    return Trial(3, 4, "ab" * 32, table, (50.0,), clock=lambda: 0.0)


def request(chance: random.Random, arm: str, stuck: float, slower: float, unlikelier: float) -> Ended:
    """Draw one request: skewed times, lengths with many equal ones, a few that fail or repeat a token."""
    length = min(64, 1 + int(chance.expovariate(1 / 20)))
    tokens = STUCK if chance.random() < stuck else tuple(range(length))
    finish = "error" if chance.random() < 0.05 else "stop"
    first = chance.lognormvariate(-3, 1) * slower
    seconds, logprob = length * chance.lognormvariate(-4, 0.5), -chance.lognormvariate(0, 0.5) - unlikelier
    return Ended(GENERATIONS[arm], tokens, finish, False, seconds, first, arm, logprob)


def decide(seed: int, stuck: float = 0.05, slower: float = 1.0, unlikelier: float = 0.0, **fields: Any) -> Action:
    """Feed one rollout, judging now and then as the worker does; only the canary has what differs from live."""
    chance, one = random.Random(seed), trial(**fields)
    decisions = []
    for number in range(2 * REQUESTS):
        arm = (LIVE, CANARY)[number % 2]
        one.ended(request(chance, arm, *((stuck, slower, unlikelier) if arm == CANARY else (0.05, 1.0, 0.0))))
        one.scored(GENERATIONS[arm], float(chance.randrange(2)))
        if number % 15 == 14:
            decisions.append(one.judge())
    assert decisions[:-1] == [None] * (2 * REQUESTS // 15 - 1)
    return sure(decisions[-1]).action


@cache
def drops(**fields: float) -> int:
    return sum(decide(seed, **fields) == Action.DROP for seed in range(TRIALS))


def test_chance_drops_no_more_often_than_promised() -> None:
    """Eight comparisons, all at once, and looked at before it is time; four standard deviations are left to chance."""
    most = SIGNIFICANCE * TRIALS + 4 * math.sqrt(TRIALS * SIGNIFICANCE * (1 - SIGNIFICANCE))
    dropped = drops()
    assert 0 < dropped <= most  # none at all would mean that the comparisons are blind


def test_by_default_chance_drops_even_fewer() -> None:
    """A difference has to be large as well."""
    assert drops(max_latency_ratio=1.5, max_length_ratio=2.0) <= drops()


def test_one_that_is_plainly_worse_is_nearly_always_dropped() -> None:
    """Half of its answers repeat one token, the first token takes four times as long, or it doubts each token."""
    assert drops(stuck=0.5) >= 0.98 * TRIALS
    assert drops(slower=4.0) >= 0.98 * TRIALS
    assert drops(unlikelier=1.0) >= 0.98 * TRIALS
