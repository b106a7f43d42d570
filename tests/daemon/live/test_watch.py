"""What the requests of a live generation say about it: every limit, the window, and what is compared with what."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.ledger.reasons import BY_ITS_OWN_REQUESTS
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.swap.gates.spec import Outcome
from hotswapd.swap.rows.ended import Ended


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def watch(**limits: Any) -> tuple[LiveWatch, Clock]:
    clock = Clock()
    made = LiveWatch(Watch(**{"seconds": 60.0, "min_requests": 10, **limits}), clock=clock, running=clock)
    made.began(1, 1000.0)
    return made, clock


def ended(generation: int = 1, **how: Any) -> Ended:
    usual: dict[str, Any] = {"token_ids": tuple(range(11)), "finish": "stop", "non_finite": False, "seconds": 0.1}
    return Ended(generation, **{**usual, **how})


def feed(made: LiveWatch, count: int, generation: int = 1, **how: Any) -> None:
    for _ in range(count):
        made.ended(ended(generation, **how))


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
    feed(made, 1, **bad)
    verdict = made.judge()
    assert verdict is not None
    assert verdict.code == code
    assert code in BY_ITS_OWN_REQUESTS


def test_latency_is_compared_with_the_generation_before() -> None:
    """Five times the seconds a token of the generation before, and not of one that nobody asked enough."""
    made, _ = watch(max_latency_ratio=5.0)
    feed(made, 10, seconds=0.1)
    made.began(2, 1000.0)
    feed(made, 10, 2, seconds=0.4)
    assert made.judge() is None
    feed(made, 20, 2, seconds=0.7)
    verdict = made.judge()
    assert verdict is not None
    assert verdict.code == "watch_latency"
    made.began(3, 1000.0)
    feed(made, 3, 3, seconds=0.01)
    made.began(4, 1000.0)
    feed(made, 20, 4, seconds=9.0)
    assert made.judge() is None


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
