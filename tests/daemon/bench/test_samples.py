"""The benchmark's arithmetic: medians, spreads, ratios, goals and turns."""

import pytest

from hotswapd.daemon.bench.samples import Series, at_least, at_most, interleave, ratio


def series(key: str, *samples: float) -> Series:
    return Series(key, key, "s", samples)


def test_a_series_says_its_median_and_spread() -> None:
    """The spread is the 10th and the 90th percentile; one sample is its own spread."""
    many = series("many", *range(11))
    assert (many.median, many.spread) == (5, (1.0, 9.0))
    record = series("one", 2.0).record()
    assert (record["n"], record["median"], record["low"], record["high"]) == (1, 2.0, 2.0, 2.0)


def test_the_median_lies_within_the_spread_of_equal_samples() -> None:
    """Also where interpolating between them rounds to another last digit."""
    one = series("equal", *[0.9803921568627451] * 3)
    assert one.spread[0] <= one.median <= one.spread[1]


def test_a_ratio_is_taken_round_by_round() -> None:
    """What slowed one round slowed both ways in it, so it is not in the ratio."""
    got = ratio(series("a", 2.0, 20.0, 4.0), series("b", 1.0, 10.0, 1.0))
    assert (got.key, got.samples, got.median, got.unit) == ("a/b", (2.0, 2.0, 4.0), 2.0, "x")


def test_a_ratio_of_unequal_numbers_is_that_of_the_medians() -> None:
    """They have no common rounds."""
    assert ratio(series("a", 2.0, 6.0, 9.0), series("b", 3.0)).samples == (2.0,)


@pytest.mark.parametrize(("value", "met"), [(0.9, True), (1.0, True), (1.1, False)])
def test_a_goal_holds_at_its_limit(value: float, met: bool) -> None:
    """At most and at least include the limit itself."""
    assert at_most("k", "s", value, 1.0).met is met
    assert at_least("k", "s", 2.0 - value, 1.0).record()["met"] is met


def test_every_way_runs_once_a_round_after_a_warm_up() -> None:
    """Each round begins with another way, so that none is always the one after a rest."""
    order: list[str] = []

    def way(name: str) -> float:
        order.append(name)
        return float(len(order))

    taken = interleave({"a": lambda: way("a"), "b": lambda: way("b")}, 2)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert taken == {"a": [4.0, 5.0], "b": [3.0, 6.0]}


def test_the_interval_of_a_median_is_that_of_the_sign_test() -> None:
    """Six are the fewest for 95 %: all of them; of ten the second to the ninth, of twelve the third to the tenth."""
    assert Series("k", "w", "s", (3.0, 1.0, 2.0, 5.0, 4.0)).interval is None
    assert Series("k", "w", "s", (3.0, 1.0, 2.0, 5.0, 4.0, 6.0)).interval == (1.0, 6.0, 1 - 2 / 64)
    ten = Series("k", "w", "s", tuple(float(n) for n in range(1, 11))).interval
    assert ten == (2.0, 9.0, 1 - 2 * 11 / 1024)
    twelve = Series("k", "w", "s", tuple(float(n) for n in range(1, 13))).interval
    assert twelve == (3.0, 10.0, 1 - 2 * 79 / 4096)
