"""What was measured: samples with their median and spread, ratios of them, and goals. Pure functions and values."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
_TENTHS = 10
_DOUBT = 0.05


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one quantity. `key` is stable, `unit` is that of each sample, `facts` are the conditions."""

    key: str
    what: str
    unit: str
    samples: tuple[float, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The 10th and the 90th percentile; of one sample, both are the sample itself."""
        if len(self.samples) == 1:
            return self.samples[0], self.samples[0]
        cuts = statistics.quantiles(self.samples, n=_TENTHS, method="inclusive")
        # Interpolation between equal samples rounds: the last digit may put both ends on one side of them.
        return min(cuts[0], self.median), max(cuts[-1], self.median)

    @property
    def interval(self) -> tuple[float, float, float] | None:
        """An interval around the true median, whatever the distribution: two samples, and the confidence.

        By the sign test (Conover, Practical Nonparametric Statistics, 3.2): the narrowest with at least 95 %, which
        needs six samples; None if there are fewer.
        """
        count, ordered = len(self.samples), sorted(self.samples)
        found = None
        for place in range((count + 1) // 2):
            outside = 2 * sum(math.comb(count, below) for below in range(place + 1)) / 2**count
            if outside <= _DOUBT:
                found = ordered[place], ordered[-1 - place], 1 - outside
        return found

    def record(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        low, high = self.spread
        summary = {"n": len(self.samples), "median": self.median, "low": low, "high": high, "interval": self.interval}
        return {**asdict(self), "samples": list(self.samples), "facts": dict(self.facts), **summary}


def ratio(of: Series, to: Series, what: str = "") -> Series:
    """Divide round by round if both have the same rounds, else divide the medians."""
    if len(of.samples) == len(to.samples):
        samples = tuple(a / b for a, b in zip(of.samples, to.samples, strict=True))
    else:
        samples = (of.median / to.median,)
    return Series(f"{of.key}/{to.key}", what or f"{of.what} / {to.what}", "x", samples)


@dataclass(frozen=True, slots=True)
class Goal:
    """One promise: `value` is compared with `limit`, both in `unit`."""

    key: str
    sentence: str
    value: float
    limit: float
    unit: str
    at_most: bool

    @property
    def met(self) -> bool:
        """Whether the promise holds."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def record(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return {**asdict(self), "met": self.met}


def at_most(key: str, sentence: str, value: float, limit: float, unit: str = "x") -> Goal:
    """Make a goal that a value must not exceed."""
    return Goal(key, sentence, value, limit, unit, at_most=True)


def at_least(key: str, sentence: str, value: float, limit: float, unit: str = "x") -> Goal:
    """Make a goal that a value must reach."""
    return Goal(key, sentence, value, limit, unit, at_most=False)


@dataclass(slots=True)
class Findings:
    """What one measurement found; `skipped` are sentences on what could not be measured, and why."""

    series: list[Series] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, key: str, what: str, unit: str, samples: Sequence[float], **facts: Any) -> Series:
        """Add the samples of one quantity, and return them as a series."""
        one = Series(key, what, unit, tuple(float(sample) for sample in samples), facts)
        self.series.append(one)
        return one

    def compare(self, of: Series, to: Series, what: str = "") -> Series:
        """Add the ratio of two series, and return it."""
        self.series.append(ratio(of, to, what))
        return self.series[-1]

    def record(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return {
            "series": [series.record() for series in self.series],
            "goals": [goal.record() for goal in self.goals],
            "skipped": self.skipped,
        }


def interleave(ways: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run every way once a round, starting each round with another one; the first round only warms up.

    A way returns its own sample, so that its preparation is not in it.
    """
    names = list(ways)
    taken: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            sample = ways[name]()
            if number:
                taken[name].append(sample)
    return taken
