"""A rollout's decisions, with a clock of its own."""

from typing import Any

import pytest
from kits.queues import sure

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.rollout.trial import Action, Trial
from hotswapd.daemon.share import CANARY, LIVE
from hotswapd.swap.rows.ended import Ended

GOOD = tuple(range(40))
STUCK = (7,) * 40


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, **fields: Any) -> Trial:
    table = Rollout(mode="canary", min_requests=100, min_seconds=60, **fields)
    return Trial(3, 4, "ab" * 32, table, table.shares, clock=clock)


def feed(
    trial: Trial,
    arm: str,
    count: int,
    tokens: tuple[int, ...] = GOOD,
    finish: str = "stop",
    seconds: float = 1.0,
    logprob: float = -1.0,
    client: str = "",
    delayed: bool = False,
) -> None:
    generation = {LIVE: 3, CANARY: 4}[arm]
    for index in range(count):
        later = index / 1e4
        times = seconds + later, 0.1 + later
        scored = logprob - later
        trial.ended(Ended(generation, tokens, finish, False, *times, arm, scored, client=client, delayed=delayed))


def test_nothing_is_decided_before_requests_and_time(clock: Clock) -> None:
    """Not even when it looks bad: a test that is looked at again and again finds something in the end."""
    trial = make(clock)
    feed(trial, CANARY, 100, STUCK)
    clock.now = 61
    assert trial.judge() is None
    feed(trial, LIVE, 100)
    clock.now = 59
    assert trial.judge() is None
    clock.now = 60
    assert sure(trial.judge()).action == Action.DROP


def test_what_one_client_alone_has_done_condemns_no_canary(clock: Clock) -> None:
    """A third of the traffic, all of it sent where the canary answers: degenerate, failed, slow, long or unlikely."""
    for bad in ({"tokens": STUCK}, {"finish": "error"}, {"seconds": 90.0}, {"tokens": GOOD * 50}, {"logprob": -9.0}):
        for mine in (" 192.0.2.1", "alice 192.0.2.1"):
            trial = make(clock)
            for arm in (LIVE, CANARY):
                for at in range(100):
                    feed(trial, arm, 1, client=f" 198.51.100.{at}")
            feed(trial, CANARY, 100, client=mine, **bad)
            clock.now += 60
            decision = sure(trial.judge())
            assert decision.action == Action.PROMOTE, (bad, decision.sentence)
            assert decision.numbers["one_client"] == 1


def test_feedback_condemns_whoever_has_asked_most(clock: Clock) -> None:
    """It has no client, so nothing of it can be left out."""
    trial = make(clock, feedback=True)
    for arm in (LIVE, CANARY):
        feed(trial, arm, 100, client=" 192.0.2.1")
        feed(trial, arm, 100, client=" 192.0.2.2")
    for _ in range(100):
        trial.scored(3, 1.0)
        trial.scored(4, 0.0)
    clock.now += 60
    assert sure(trial.judge()).action == Action.DROP


def test_what_many_clients_see_condemns_it_whoever_else_asks(clock: Clock) -> None:
    """A third of good answers hides nothing."""
    trial = make(clock)
    for at in range(100):
        feed(trial, LIVE, 1, client=f" 198.51.100.{at}")
        feed(trial, CANARY, 1, STUCK, client=f" 198.51.100.{at}")
    feed(trial, CANARY, 50, client=" 192.0.2.1")
    clock.now += 60
    assert sure(trial.judge()).action == Action.DROP


def test_a_good_canary_goes_up_the_steps(clock: Clock) -> None:
    """Each step counts anew."""
    trial = make(clock, steps=(5, 25, 100))
    shares, actions = [], []
    for _ in range(2):
        shares.append(trial.share)
        feed(trial, CANARY, 100)
        feed(trial, LIVE, 100)
        clock.now += 60
        actions.append(sure(trial.judge()).action)
    assert shares == [5, 25]
    assert actions == [Action.STEP, Action.PROMOTE]


def test_a_step_begins_with_nothing_counted(clock: Clock) -> None:
    """What was seen at 5 % decides nothing at 25 %."""
    trial = make(clock, steps=(5, 25, 100))
    feed(trial, CANARY, 100)
    feed(trial, LIVE, 100)
    clock.now = 60
    trial.judge()
    clock.now = 1000
    assert trial.judge() is None
    assert trial.status()["canary"]["requests"] == 0


def test_one_that_degrades_later_is_dropped(clock: Clock) -> None:
    """The window has 300 requests; the last 100 are bad."""
    table = Rollout(mode="canary", min_requests=300, min_seconds=0)
    trial = Trial(3, 4, "ab" * 32, table, table.shares, clock=clock)
    feed(trial, LIVE, 5700)
    feed(trial, CANARY, 200)
    assert trial.judge() is None
    feed(trial, CANARY, 100, STUCK)
    decision = sure(trial.judge())
    assert decision.action == Action.DROP
    assert "33.33% of 300 requests ended in one token over and over" in decision.sentence
    assert decision.numbers["canary_degenerate"] == 100


def test_a_logit_that_is_not_finite_is_not_waited_for(clock: Clock) -> None:
    """It is no matter of chance, and it gets worse."""
    trial = make(clock)
    trial.ended(Ended(4, GOOD, "stop", True, 1.0, 0.1, CANARY))
    assert sure(trial.judge()).action == Action.DROP


@pytest.mark.parametrize(
    ("worse", "said"),
    [
        ({"finish": "error"}, "failed"),
        ({"seconds": 3.0}, "a token takes"),
        ({"tokens": tuple(range(200)), "seconds": 5.0}, "answers have 200 tokens"),
        ({"tokens": tuple(range(5)), "seconds": 0.1}, "answers have 5 tokens"),
        ({"logprob": -1.6}, "the mean log-probability of a token is -1.605, and -1.005 with what is live"),
    ],
)
def test_what_is_worse_is_named_with_its_numbers(clock: Clock, worse: dict[str, Any], said: str) -> None:
    """Each comparison can condemn alone."""
    trial = make(clock)
    feed(trial, LIVE, 100)
    feed(trial, CANARY, 100, **worse)
    clock.now = 60
    decision = sure(trial.judge())
    assert decision.action == Action.DROP
    assert said in decision.sentence


def test_a_difference_that_is_certain_but_small_condemns_nobody(clock: Clock) -> None:
    """10 % slower with 2,000 requests is beyond doubt, and within max_latency_ratio."""
    trial = make(clock)
    feed(trial, LIVE, 2000)
    feed(trial, CANARY, 2000, seconds=1.1)
    clock.now = 60
    assert sure(trial.judge()).action == Action.PROMOTE


def test_what_other_programs_have_delayed_condemns_nobody(clock: Clock) -> None:
    """It counts as a request, and how long it took does not."""
    trial = make(clock)
    feed(trial, LIVE, 100)
    feed(trial, CANARY, 100, seconds=9.0, delayed=True)
    clock.now = 60
    decision = sure(trial.judge())
    assert decision.action == Action.PROMOTE
    assert decision.numbers["canary_requests"] == 100
    assert "canary_seconds_a_token" not in decision.numbers


@pytest.mark.parametrize(
    ("logprob", "fields"), [(-1.4, {}), (-0.1, {}), (-3.0, {"max_logprob_drop": 0})], ids=["close", "likelier", "off"]
)
def test_answers_that_are_hardly_less_likely_condemn_nobody(
    clock: Clock, logprob: float, fields: dict[str, object]
) -> None:
    """Nor do likelier ones, nor any where the limit is off; both means are in the numbers."""
    trial = make(clock, **fields)
    feed(trial, LIVE, 2000)
    feed(trial, CANARY, 2000, logprob=logprob)
    clock.now = 60
    decision = sure(trial.judge())
    assert decision.action == Action.PROMOTE
    assert decision.numbers["live_mean_logprob"] == pytest.approx(-1.09995)
    assert decision.numbers["canary_mean_logprob"] == pytest.approx(logprob - 0.09995)
    assert ("p_logprob" in decision.numbers) is not bool(fields)


def test_an_answer_without_a_log_probability_does_not_count(clock: Clock) -> None:
    """It was not scored from its first token on, or its logits were NaN."""
    trial = make(clock)
    trial.ended(Ended(3, GOOD, "stop", False, 1.0, 0.1, LIVE))
    trial.ended(Ended(3, GOOD, "stop", True, 1.0, 0.1, LIVE, float("nan")))
    counted = trial.status()["live"]
    assert counted["requests"] == 2
    assert "mean_logprob" not in counted


def test_scores_count_only_where_feedback_is_on(clock: Clock) -> None:
    """Lower scores condemn then."""
    for feedback, action in ((True, Action.DROP), (False, Action.PROMOTE)):
        clock.now = 0
        trial = make(clock, feedback=feedback)
        feed(trial, LIVE, 100)
        feed(trial, CANARY, 100)
        for _ in range(100):
            assert trial.scored(3, 1.0)
            assert trial.scored(4, 0.0)
        assert not trial.scored(2, 1.0)
        clock.now = 60
        assert sure(trial.judge()).action == action


def test_requests_that_asked_by_name_count_for_no_arm(clock: Clock) -> None:
    """Whoever asks for the canary by name is no random sample."""
    trial = make(clock)
    trial.ended(Ended(4, STUCK, "stop", True, 1.0))
    trial.ended(Ended(3, GOOD, "stop", False, 1.0, 0.1, CANARY))  # sent to the canary as it ended: live answered
    assert trial.status()["canary"]["requests"] == trial.status()["live"]["requests"] == 0
    assert trial.judge() is None


def test_a_step_says_what_it_waits_for(clock: Clock) -> None:
    """Requests in either arm, and seconds; a canary that nobody asks never ends, so that has to be seen."""
    trial = make(clock)
    feed(trial, LIVE, 40)
    feed(trial, CANARY, 3)
    clock.now = 20
    few = "40 of 100 requests in the live arm, 3 of 100 requests in the canary arm"
    assert trial.status()["waits_for"] == f"{few}, 20 of 60 seconds"
    feed(trial, LIVE, 60)
    feed(trial, CANARY, 97)
    assert trial.status()["waits_for"] == "20 of 60 seconds"
    clock.now = 60
    assert trial.status()["waits_for"] is None


def test_it_reminds_once_a_step(clock: Clock) -> None:
    """A log line for whoever wonders why nothing happens, and no more than one."""
    trial = make(clock, steps=(5, 25, 100))
    feed(trial, LIVE, 100)
    assert trial.reminder() == ""
    clock.now = 60
    assert trial.reminder() == "0 of 100 requests in the canary arm"
    assert trial.reminder() == ""
    feed(trial, CANARY, 100)
    assert sure(trial.judge()).action == Action.STEP
    assert trial.reminder() == ""
    clock.now = 120
    assert trial.reminder() == "0 of 100 requests in the live arm, 0 of 100 requests in the canary arm"


def test_an_ab_test_never_decides(clock: Clock) -> None:
    """It counts until somebody says what becomes of it."""
    table = Rollout(mode="ab", weight=50, min_requests=1, min_seconds=0)
    trial = Trial(3, 4, "ab" * 32, table, table.shares, decides=False, clock=clock)
    feed(trial, CANARY, 10, STUCK)
    feed(trial, LIVE, 10)
    assert trial.judge() is None
    assert trial.status()["kind"] == "ab"
    assert trial.status()["waits_for"] == "somebody who promotes or stops it"
    assert trial.reminder() == ""
    assert trial.status()["canary"]["degenerate"] == 10


def test_a_key_stays_in_its_arm(clock: Clock) -> None:
    """As often as it comes."""
    trial = make(clock)
    arms = [{trial.route(f"user-{number}") for _ in range(3)} for number in range(500)]
    assert all(len(one) == 1 for one in arms)
    assert {arm for one in arms for arm in one} == {LIVE, CANARY}
