"""The watch over the live generation: its own requests are counted and judged, once it is live."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import cast

from hotswapd.daemon.answers import WatchStatus
from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.engines.beside import SHADOW
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.swap.gates.spec import Outcome, Verdict
from hotswapd.swap.rows.ended import Ended

from .sample import Sample
from .shadow import Ask, Shadow
from .tally import Counts, Tally, compared

GATE = "watch"
_REMEDY = "`hotswapd submit --again` takes these bytes once more"
_KEPT = 8
"""Generations whose counts are kept, the newest."""


class LiveWatch:
    """Counts requests by generation, and judges the live one. Every method is legal on any thread, but `judge`."""

    def __init__(
        self,
        table: Watch,
        wake: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        running: Callable[[], float] = time.monotonic,
        ask: Ask | None = None,
    ) -> None:
        """`wake` is called after a request with a logit that is not finite: then `judge` is due at once.

        `clock` is the time of day, by which a window goes on after a restart; `running` counts its seconds, without
        those in which the process was frozen. `ask` asks generations the same prompts before degenerate answers are
        held against one; without it they are not.
        """
        self.table = table
        self.sample = Sample()
        """What the live generation has answered. Nothing of the base's: a candidate need not be like that."""
        self._shadow = Shadow(ask or _nobody, running)
        self._wake = wake
        self._clock = clock
        self._running = running
        self._lock = threading.Lock()
        self._tallies: dict[int, Tally] = {}
        self._watched = self._before = 0
        self._ends: float | None = None
        self._news = True
        """Whether something was counted, or the limits have changed, since it was judged last."""

    def began(self, generation: int, since: float) -> None:
        """Watch this generation, live since then (seconds since the epoch), and compare it with the previous one.

        The base is not watched.
        """
        with self._lock:
            if generation != self._watched:
                self._before, self._watched = self._watched, generation
                self.sample.forget()
                self._shadow.forget()
            self._tallies[generation], self._news = Tally(), True
            for old in sorted(self._tallies)[:-_KEPT]:
                if old not in (self._watched, self._before):
                    del self._tallies[old]
            left = since + self.table.seconds - self._clock()
            self._ends = self._running() + left if generation and self.table.seconds and left > 0 else None

    @property
    def is_open(self) -> bool:
        """Whether a generation is being watched now."""
        return self._ends is not None

    def renew(self, table: Watch) -> None:
        """Judge by these limits from now on; a window under way ends when it would have ended."""
        with self._lock:
            self.table, self._news = table, True

    def ended(self, ended: Ended) -> None:
        """Count a request; called on the loop's thread."""
        if ended.tag == SHADOW:  # before the lock: whoever holds it may end such requests
            return
        with self._lock:
            tally = self._tallies.get(ended.generation)
            if tally is None:
                return
            tally.add(ended)
            self._news = True
            if ended.generation == self._watched != 0:
                self.sample.add(ended)
                self._shadow.note(ended)
        if ended.non_finite:
            self._wake()

    def judge(self) -> Verdict | None:
        """Return the verdict once the window is over or a limit is crossed, one for each generation; None otherwise.

        For the worker's thread. Where nobody has asked since, only the clock is looked at: many channels may have just
        gone live, and few of them have requests.
        """
        with self._lock:
            if self._ends is not None and not self._news and self._running() < self._ends:
                return None
            self._news = False
            suspected = self._ends is not None and self._complaint()[0] == Reason.WATCH_DEGENERATE
            watched, before = self._watched, self._before
        # without the lock, for which the loop's thread may wait
        blamed = self._shadow.blames(watched, before, self.table.max_degenerate) if suspected else False
        with self._lock:
            self._news |= suspected  # it goes on until that is found out
            if blamed is None or self._ends is None or watched != self._watched:
                return None
            if suspected and not blamed:
                self._tallies[watched].acquit()
            numbers = self._numbers()
            code, sentence = self._complaint()
            if code == Reason.WATCH_DEGENERATE and not blamed:
                code = sentence = ""
            if not code and self._running() < self._ends:
                return None
            self._ends = None
        self._shadow.forget()
        return Verdict(GATE, Outcome.FAILED if code else Outcome.PASSED, code, sentence, numbers)

    def _complaint(self) -> tuple[str, str]:
        return _complaint(self._numbers(), self._tallies[self._watched], self.table)

    def status(self) -> WatchStatus | None:
        """Return the counts so far and the seconds left; None if no generation is being watched."""
        with self._lock:
            if self._ends is None:
                return None
            left = max(0.0, self._ends - self._running())
            at = {"generation": self._watched, "seconds_left": round(left, 1)}
            return cast("WatchStatus", at | self._numbers())

    def _numbers(self) -> dict[str, float]:
        now = self._tallies[self._watched]
        others = [tally for number, tally in self._tallies.items() if number != self._watched]
        numbers: dict[str, float] = {
            "requests": now.requests,
            "non_finite": now.share(now.non_finite),
            "degenerate": now.share(now.degenerate),
            "errors": now.share(now.errors),
        }
        slower = compared(now, others, self.table.min_requests)
        if slower is not None:
            numbers |= {"seconds_a_token": slower.now, "seconds_a_token_before": slower.others}
        return numbers


def _nobody(number: int, prompts: Sequence[tuple[int, ...]], most: int) -> None:
    """Ask nobody."""


def _complaint(numbers: dict[str, float], tally: Tally, table: Watch) -> tuple[str, str]:
    """Return the first limit that was crossed, as its code and a sentence; empty strings if none was."""
    requests = int(numbers["requests"])
    shares: tuple[tuple[Reason, str, float, str], ...] = (
        (Reason.WATCH_NON_FINITE, "non_finite", table.max_non_finite, "had a logit that is NaN or infinite"),
        (Reason.WATCH_DEGENERATE, "degenerate", table.max_degenerate, "ended in one token over and over"),
        (Reason.WATCH_ERRORS, "errors", table.max_errors, "failed"),
    )
    for code, name, limit, what in shares:
        if code == Reason.WATCH_NON_FINITE and not limit:  # no client can make a logit of a good adapter infinite
            crossed = numbers[name] > 0
        else:
            crossed = all(_crosses(one, name, limit, table.min_requests) for one in (tally, *tally.without_one()))
        if crossed:
            sentence = f"{numbers[name]:.1%} of {requests} requests {what}, and verify.watch.max_{name} is {limit:.1%}"
            return code, f"{sentence}; {_REMEDY}"
    now, before = numbers.get("seconds_a_token"), numbers.get("seconds_a_token_before")
    if table.max_latency_ratio and now and before and now > table.max_latency_ratio * before:
        return Reason.WATCH_LATENCY, (
            f"a step takes {now * 1000:.3g} ms, {now / before:.3g} times as long as one of the same load with other "
            f"generations, and verify.watch.max_latency_ratio is {table.max_latency_ratio:g}; {_REMEDY}"
        )
    return "", ""


def _crosses(counts: Counts, name: str, limit: float, least: int) -> bool:
    """Tell whether so many requests have a share above the limit."""
    return counts.requests >= least and counts.share(getattr(counts, name)) > limit
