"""The benchmark's arithmetic: medians, spreads, ratios, goals, turns, and how figures are written."""

import pytest

from hotswapd.daemon.bench.load import Answer, first_tokens, longest_gap, shared_time, tokens_per_second
from hotswapd.daemon.bench.process import STEPS, split
from hotswapd.daemon.bench.render import put_in
from hotswapd.daemon.bench.samples import Series, at_least, at_most, interleave, ratio
from hotswapd.daemon.bench.table import figure


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
    """There are no common rounds then."""
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


def test_the_way_to_live_is_split_at_the_ledgers_events() -> None:
    """The parts add up to the total, also where a step left no event of its own."""
    events = [
        ("WAITING", 10.5),
        ("SIGHTED", 12.5),
        ("FETCHED", 12.6),
        ("STAGED", 13.0),
        ("VERIFIED", 13.5),
        ("LIVE", 13.6),
    ]
    parts = split(events, 10.0)
    assert parts["settle"] == pytest.approx(2.0)
    assert parts["admit"] == 0.0
    assert parts["turn"] == pytest.approx(0.1)
    assert sum(parts[step] for step in STEPS) == pytest.approx(parts["total"]) == pytest.approx(3.6)


def test_what_clients_saw_is_counted() -> None:
    """Tokens inside the window count; a request that was never let in counts with the time that it waited."""
    answers = [Answer(0.0, 1, [1.0, 2.0, 5.0]), Answer(1.0, 2, [3.0, 4.0]), Answer(2.0)]
    assert tokens_per_second(answers, 0.0, 4.0) == pytest.approx(3 / 4)
    assert first_tokens(answers, 4.0) == [1.0, 2.0, 2.0]
    assert longest_gap(answers) == 3.0
    assert shared_time(answers, 0.0, 10.0) == pytest.approx(0.3)  # from 1 to 4 both were under way


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (2e-6, "s", "2 µs"),
        (3.0, "s", "3 s"),
        (2.5e6, "bytes", "2.5 MB"),
        (1.25, "x", "1.25 x"),
    ],
)
def test_a_figure_has_the_unit_that_reads_best(value: float, unit: str, text: str) -> None:
    """Three digits, and the unit always with them."""
    assert figure(value, unit) == text


def test_figures_replace_what_was_between_their_comments() -> None:
    """The rest of the page stays, and a page without the comments is refused."""
    page = "a\n<!-- tiny -->\nold\n<!-- /tiny -->\nb"
    assert put_in(page, "tiny", "new") == "a\n<!-- tiny -->\nnew\n<!-- /tiny -->\nb"
    with pytest.raises(ValueError, match="half"):
        put_in(page, "half", "new")


def test_the_interval_of_a_median_is_that_of_the_sign_test() -> None:
    """Six are the fewest for 95 %: all of them; of ten the second to the ninth, of twelve the third to the tenth."""
    assert Series("k", "w", "s", (3.0, 1.0, 2.0, 5.0, 4.0)).interval is None
    assert Series("k", "w", "s", (3.0, 1.0, 2.0, 5.0, 4.0, 6.0)).interval == (1.0, 6.0, 1 - 2 / 64)
    ten = Series("k", "w", "s", tuple(float(n) for n in range(1, 11))).interval
    assert ten == (2.0, 9.0, 1 - 2 * 11 / 1024)
    twelve = Series("k", "w", "s", tuple(float(n) for n in range(1, 13))).interval
    assert twelve == (3.0, 10.0, 1 - 2 * 79 / 4096)
