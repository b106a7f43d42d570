"""The two tests that compare a canary with the live generation. Both are one-sided; scipy gives the same numbers."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from statistics import NormalDist


def more_often(hits: int, of: int, other_hits: int, of_other: int) -> float:
    """Return the one-sided p-value of Fisher's exact test that our rate exceeds the other.

    The rates are `hits` of `of` and `other_hits` of `of_other`. It is the p-value of
    ``scipy.stats.fisher_exact(table, alternative="greater")``.
    """
    total, marked = of + of_other, hits + other_hits
    highest = min(of, marked)
    whole = _log_choose(total, of)
    terms = (
        math.exp(_log_choose(marked, count) + _log_choose(total - marked, of - count) - whole)
        for count in range(hits, highest + 1)
        if of - count <= total - marked
    )
    return min(1.0, math.fsum(terms))


def higher(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the one-sided p-value of the Mann-Whitney test that `ours` exceed `theirs`.

    It is 1 if one is empty or all values are equal, else that of
    ``scipy.stats.mannwhitneyu(ours, theirs, alternative="greater", method="asymptotic")``.
    """
    n, m = len(ours), len(theirs)
    if not n or not m:
        return 1.0
    counts = Counter([*ours, *theirs])
    ranks = dict(_mid_ranks(counts))
    u = math.fsum(ranks[value] for value in ours) - n * (n + 1) / 2
    total = n + m
    ties = sum(count**3 - count for count in counts.values()) / (total * (total - 1))
    spread = math.sqrt(n * m / 12 * (total + 1 - ties))
    if spread == 0:
        return 1.0
    return NormalDist().cdf(-(u - n * m / 2 - 0.5) / spread)


def _mid_ranks(counts: Counter[float]) -> Iterator[tuple[float, float]]:
    """Yield each value with the mean rank of its occurrences."""
    values = sorted(counts)
    ends = accumulate(counts[value] for value in values)
    for value, end in zip(values, ends, strict=True):
        yield value, end - (counts[value] - 1) / 2


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
