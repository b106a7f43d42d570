"""Times and names as the terminal pages write them."""

from datetime import UTC, datetime, timedelta

import pytest

from hotswapd.daemon.terminal.words import age, clock, duration, moment, name_of, until

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3600, "1 h 0 min"), (86400, "1 d 0 h"), (-5, "0 s")],
)
def test_an_age_has_its_two_largest_units(seconds: int, written: str) -> None:
    """And is never negative: two clocks may differ."""
    assert age(NOW - timedelta(seconds=seconds), NOW) == written


def test_a_time_ahead_is_now_or_in_some_time() -> None:
    assert until(NOW + timedelta(seconds=0.9), NOW) == "now"
    assert until(NOW + timedelta(seconds=1), NOW) == "in 1 s"


def test_a_moment_that_cannot_be_parsed_is_none() -> None:
    assert (moment("soon"), moment(None), moment(7), clock("soon")) == (None, None, None, "")


def test_a_name_is_the_last_part_of_an_address() -> None:
    assert (name_of("file:///srv/run-7/"), name_of(None)) == ("run-7", "the base model")
    assert (duration(0.9), duration(1.0), duration(None)) == ("900.0 ms", "1.0 s", "")
