"""The split of requests: which generation answers whom, and where an ended request counts."""

import pytest

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.rollout.traffic import Traffic
from hotswapd.daemon.rollout.trial import Trial
from hotswapd.daemon.share import CANARY, LIVE
from hotswapd.swap.rows.ended import Ended


def ended(generation: int, tag: str, *, non_finite: bool = False) -> Ended:
    return Ended(generation, (1, 2, 3), "stop", non_finite, 0.1, tag=tag)


@pytest.fixture
def trial() -> Trial:
    return Trial(1, 2, "salt", Rollout(), (50.0,))


def test_without_a_rollout_all_go_to_the_live_one() -> None:
    """Nothing is tagged, counted or described then."""
    traffic = Traffic()
    traffic.ended(ended(1, ""))
    assert traffic.route("somebody") == (None, "")
    assert (traffic.number(), traffic.status(), traffic.scored(1, 1.0)) == (None, None, False)


def test_a_key_goes_where_its_arm_is(trial: Trial) -> None:
    """The live generation is asked for without a number, so that a swap meanwhile costs nothing."""
    traffic = Traffic()
    traffic.begin(trial)
    keys = [f"user {index}" for index in range(200)]
    found = {traffic.route(key) for key in keys}
    assert found == {(None, LIVE), (2, CANARY)}
    assert all(traffic.route(key)[1] == trial.route(key) for key in keys)
    assert traffic.number() == 2
    traffic.end()
    assert {traffic.route(key) for key in keys} == {(None, "")}


def test_only_requests_of_the_split_count(trial: Trial) -> None:
    """One that named its generation has no tag."""
    traffic = Traffic()
    traffic.begin(trial)
    traffic.ended(ended(2, CANARY))
    traffic.ended(ended(2, ""))
    assert trial.arms[CANARY].requests == 1
    assert traffic.scored(2, 0.5)
    assert not traffic.scored(3, 0.5)
    assert traffic.status() is not None


def test_a_logit_that_is_not_finite_wakes_the_worker(trial: Trial) -> None:
    """Only one of the split does: the watch wakes it for the others."""
    woken: list[int] = []
    traffic = Traffic(lambda: woken.append(1))
    traffic.ended(ended(2, CANARY, non_finite=True))
    traffic.begin(trial)
    traffic.ended(ended(2, CANARY))
    traffic.ended(ended(2, "", non_finite=True))
    assert woken == []
    traffic.ended(ended(2, CANARY, non_finite=True))
    assert woken == [1]
