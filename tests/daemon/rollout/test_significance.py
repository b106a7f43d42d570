"""The statistics, against what scipy 1.17 prints for the same numbers, and against chance."""

import random

import pytest

from hotswapd.daemon.rollout.significance import higher, more_often


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((10, 200, 12, 4000), 1.882001998584669e-08),
        ((0, 200, 0, 4000), 1.0),
        ((3, 50, 1, 1000), 0.00039379280289127236),
        ((50, 50, 0, 10), 1.3263650083219111e-11),
        ((7, 300, 2, 300), 0.08819628034173017),
        ((0, 5, 5, 5), 1.0),
        ((40, 20000, 20, 20000), 0.006710145650375753),
    ],
)
def test_shares_compare_as_scipys_exact_test_does(table: tuple[int, int, int, int], expected: float) -> None:
    """`fisher_exact([[a, n - a], [b, m - b]], alternative="greater")`."""
    assert more_often(*table) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], [2, 2, 3, 1, 1, 0, 0], 0.02127747765319565),
        ([5.0, 5.0], [5.0], 1.0),
        ([9, 8, 7], [1, 2, 3, 4], 0.02591496360895484),
        ([], [1.0], 1.0),
    ],
)
def test_values_compare_as_scipys_rank_test_does(ours: list[float], theirs: list[float], expected: float) -> None:
    """`mannwhitneyu(ours, theirs, alternative="greater", method="asymptotic")`."""
    assert higher(ours, theirs) == pytest.approx(expected, rel=1e-9)


def test_chance_alone_condemns_as_seldom_as_the_level_says() -> None:
    """Of 2,000 pairs that do not differ, about 1 % are below 0.01: at most 36 by five standard deviations and more."""
    rng = random.Random(7)

    def draw(count: int) -> list[float]:
        return [rng.gauss(0, 1) for _ in range(count)]

    assert sum(higher(draw(40), draw(80)) < 0.01 for _ in range(2000)) <= 43
