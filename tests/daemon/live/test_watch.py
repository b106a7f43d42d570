"""What the requests of a live generation say about it: every limit, the window, and what is compared with what."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kits.costs import calls
from kits.generations import Generations

from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.ledger.reasons import BY_ITS_OWN_REQUESTS
from hotswapd.daemon.live.shadow import TRIES
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.swap.gates.spec import Outcome
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.paces import load_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def watch(**limits: Any) -> tuple[LiveWatch, Clock]:
    clock = Clock()
    table = Watch(**{"seconds": 60.0, "min_requests": 10, **limits})
    made = LiveWatch(table, clock=clock, running=clock, ask=Generations({1}))
    made.began(1, 1000.0)
    return made, clock


def ended(generation: int = 1, **how: Any) -> Ended:
    usual: dict[str, Any] = {"token_ids": tuple(range(11)), "finish": "stop", "non_finite": False, "seconds": 0.1}
    return Ended(generation, **{**usual, **how})


_CLIENTS = itertools.count()


def feed(made: LiveWatch, count: int, generation: int = 1, **how: Any) -> None:
    """End requests of as many clients."""
    for at in itertools.islice(_CLIENTS, count):
        made.ended(ended(generation, **{"client": f" 192.0.2.{at}", "prompt": (at, 1), **how}))


def test_a_generation_that_behaves_passes_when_its_window_is_over() -> None:
    """Nothing is said before the end, then one verdict with the numbers, and nothing after it."""
    made, clock = watch()
    feed(made, 30)
    assert made.judge() is None
    clock.now += 60
    verdict = made.judge()
    assert verdict is not None
    assert (verdict.outcome, verdict.numbers["requests"]) == (Outcome.PASSED, 30)
    assert made.judge() is None


def test_one_request_that_is_not_finite_is_enough() -> None:
    """By default none may pass, whatever min_requests says, and who judges is woken at once."""
    woken: list[int] = []
    made = LiveWatch(Watch(), wake=lambda: woken.append(1))
    made.began(1, 4e9)
    made.ended(ended(non_finite=True))
    verdict = made.judge()
    assert verdict is not None
    assert (verdict.outcome, verdict.code, woken) == (Outcome.FAILED, "watch_non_finite", [1])
    assert "100.0% of 1 requests" in verdict.sentence


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"token_ids": (7,) * 64}, "watch_degenerate"),
        ({"finish": "error"}, "watch_errors"),
        ({"non_finite": True}, "watch_non_finite"),
    ],
)
def test_a_share_counts_once_there_are_enough_requests(bad: dict[str, Any], code: str) -> None:
    """Below min_requests nothing is said; at the limit it passes, above it fails."""
    made, _ = watch(max_non_finite=0.5, max_degenerate=0.5, max_errors=0.5)
    feed(made, 5, **bad)
    feed(made, 4)
    assert made.judge() is None
    feed(made, 1)
    assert made.judge() is None
    feed(made, 3, **bad)
    verdict = made.judge()
    assert verdict is not None
    assert verdict.code == code
    assert code in BY_ITS_OWN_REQUESTS


def paced(made: LiveWatch, count: int, generation: int, seconds: float, rows: int = 8) -> None:
    feed(made, count, generation, paces=((load_of(rows, 50 * rows), seconds),))


def test_latency_is_compared_at_the_same_load_with_what_was_live_before() -> None:
    """Nine in ten steps five times as long, and not where no other generation had enough requests at that load."""
    made, _ = watch(max_latency_ratio=5.0)
    paced(made, 10, 1, 0.1)
    made.began(2, 1000.0)
    paced(made, 20, 2, 0.4)
    assert made.judge() is None
    paced(made, 100, 2, 0.7)
    assert made.judge() is None
    paced(made, 100, 2, 0.7)
    verdict = made.judge()
    assert verdict is not None
    assert verdict.code == "watch_latency"


def test_a_crowd_after_a_quiet_time_is_not_slower() -> None:
    """64 users, and 200, where there was one: whatever a step takes then, it is another load."""
    made, _ = watch(max_latency_ratio=5.0)
    paced(made, 50, 1, 0.01, rows=1)
    made.began(2, 1000.0)
    paced(made, 64, 2, 0.1, rows=64)
    paced(made, 200, 2, 0.3, rows=200)
    assert made.judge() is None


@pytest.mark.parametrize("bad", [{"token_ids": (7,) * 64}, {"finish": "error"}])
def test_no_share_that_one_client_reaches_alone_decides(bad: dict[str, Any]) -> None:
    """Whatever it sends, however often, from whichever of its addresses, and also if nobody else is there."""
    for client in (" 192.0.2.1", "key 192.0.2.1", " 2001:db8::1"):
        made, clock = watch()
        feed(made, 500, client=client, **bad)
        assert made.judge() is None
        feed(made, 40)
        feed(made, 500, client=client, **bad)
        assert made.judge() is None
        clock.now += 60
        verdict = made.judge()
        assert verdict is not None
        assert verdict.outcome == Outcome.PASSED


def test_temperatures_and_biases_that_make_answers_degenerate_do_not_count() -> None:
    """From however many clients."""
    made, _ = watch()
    feed(made, 200, token_ids=(7,) * 64, usual=False)
    assert made.judge() is None


def test_degenerate_answers_are_held_against_what_is_alone_in_giving_them() -> None:
    """The base and the previous generation are asked the same prompts; where they do it too, the prompts are why."""
    for bad, live_is_to_blame in (({1}, True), ({0, 1}, False), (set(), False), ({0}, False)):
        made, _ = watch()
        made._shadow._ask = asked = Generations(bad)
        feed(made, 40, token_ids=(7,) * 64)
        assert (made.judge() is not None) is live_is_to_blame
        assert asked.asked == [0, 1]


def test_a_suspicion_waits_for_its_answers_and_not_for_ever() -> None:
    """While they are on their way nothing is decided, not even that the window is over; late ones decide nothing."""
    made, clock = watch()
    made._shadow._ask = asked = Generations({1})
    asked.ready = False
    feed(made, 40, token_ids=(7,) * 64)
    clock.now += 61
    assert made.judge() is None
    asked.ready = True
    verdict = made.judge()
    assert verdict is not None
    assert verdict.code == "watch_degenerate"
    made, clock = watch()
    made._shadow._ask = asked = Generations({1})
    asked.ready = False
    feed(made, 40, token_ids=(7,) * 64)
    assert made.judge() is None
    clock.now += 121
    verdict = made.judge()
    assert verdict is not None
    assert verdict.outcome == Outcome.PASSED


def test_the_work_for_suspicions_is_bounded() -> None:
    """So many tries of eight prompts each; and a sound generation costs none."""
    made, _ = watch()
    made._shadow._ask = asked = Generations(set())
    feed(made, 200)
    assert made.judge() is None
    assert asked.asked == []
    for _ in range(20):
        feed(made, 400, token_ids=(7,) * 64)
        assert made.judge() is None
    assert 2 <= len(asked.asked) <= 2 * TRIES


def test_requests_of_another_generation_do_not_count() -> None:
    """What an older generation still answers counts for itself."""
    made, _ = watch()
    made.began(2, 1000.0)
    feed(made, 50, 1, finish="error")
    assert made.judge() is None


@pytest.mark.parametrize("limit", [{"seconds": 0.0}, {"max_errors": 1.0}])
def test_what_is_off_says_nothing(limit: dict[str, Any]) -> None:
    """Without a window, or with a limit of 1, not even errors alone are held against it."""
    made, _ = watch(**limit)
    feed(made, 50, finish="error")
    assert made.judge() is None


def test_a_restart_does_not_open_a_window_again() -> None:
    """What was live long before this process began has had its verdict."""
    made, clock = watch()
    made.began(2, clock.now - 61)
    feed(made, 50, 2, finish="error")
    assert made.judge() is None
    made.began(3, clock.now - 59)
    assert made.status() is not None


def test_the_base_is_not_watched() -> None:
    """There is nothing to go back to from it."""
    made, _ = watch()
    made.began(0, 1000.0)
    feed(made, 50, 0, non_finite=True)
    assert made.judge() is None
    assert made.status() is None


class Meanwhile:
    """Runs something once on another thread, in the midst of a call, and gives it a moment to come through."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.found: list[object] = []
        self._thread = threading.Thread(target=lambda: self.found.append(act()))
        self._begun = False

    def __call__(self) -> None:
        if not self._begun:
            self._begun = True
            self._thread.start()
            self._thread.join(0.2)

    def before(self, clock: Clock) -> Callable[[], float]:
        """Make a clock whose first reading lets the other thread come first."""

        def read() -> float:
            self()
            return clock.now

        return read

    def result(self) -> object:
        self._thread.join(10.0)
        (found,) = self.found
        return found


def test_of_two_who_judge_at_once_one_gets_the_verdict() -> None:
    """It would be acted on twice otherwise."""
    made, clock = watch()
    feed(made, 30)
    clock.now += 60
    other = Meanwhile(made.judge)
    made._running = other.before(clock)
    verdicts = [made.judge(), other.result()]
    assert sum(one is not None for one in verdicts) == 1


def test_a_request_is_counted_whole_or_not_at_all() -> None:
    """Whoever reads between two of its counts would see shares that never were."""
    made, _ = watch()
    other = Meanwhile(made.status)

    class Tokens(tuple[int, ...]):
        def __getitem__(self, key: Any) -> Any:
            other()
            return super().__getitem__(key)

    made.ended(ended(token_ids=Tokens(range(40)), finish="error"))
    status: Any = other.result()
    assert (status["requests"], status["errors"]) == (1, 1.0)


def test_a_new_generation_is_not_judged_by_the_old_window() -> None:
    """A window that is over says nothing of what has just gone live."""
    made, clock = watch()
    clock.now += 61
    other = Meanwhile(made.judge)
    made._clock = other.before(clock)
    made.began(2, clock.now)
    assert other.result() is None
    assert made.status() is not None


def test_other_limits_apply_to_the_window_under_way() -> None:
    made, clock = watch(max_errors=1.0)
    feed(made, 20, finish="error")
    assert made.judge() is None
    made.renew(Watch(seconds=1.0, min_requests=10, max_errors=0.5))
    clock.now += 59
    verdict = made.judge()
    assert verdict is not None
    assert verdict.code == "watch_errors"


def test_a_window_in_which_nobody_asks_costs_a_look_at_the_clock() -> None:
    """A thousand channels may have gone live in one night; a request, or another limit, and it is judged again."""
    made, clock = watch()
    feed(made, 30)
    judged = calls(made.judge)
    assert 4 * calls(made.judge) < judged
    feed(made, 1)
    assert calls(made.judge) >= judged
    made.renew(made.table)
    assert calls(made.judge) >= judged
    clock.now += 60
    assert made.judge() is not None
