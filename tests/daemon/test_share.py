"""The split: vectors that others can check, binomial bounds, and nobody who leaves."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswapd.daemon.share import BUCKETS, bucket, in_share

SALT = "ab" * 32
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rollout.md").read_text()


@pytest.mark.parametrize(("key", "expected"), [("alice", 5526), ("bob", 1340), ("Zoë", 2100)])
def test_a_key_has_the_bucket_that_the_page_says(key: str, expected: int) -> None:
    """The vectors are in the documentation, so that another implementation can be checked."""
    assert bucket(SALT, key) == expected
    assert re.search(rf"\| `{key}` \| {expected} \|", PAGE)


@pytest.mark.parametrize("percent", [0.5, 5, 25, 50, 95])
def test_a_share_of_ten_thousand_is_within_binomial_bounds(percent: float) -> None:
    """Five standard deviations: the keys are fixed, so this holds or not, every time."""
    hits = sum(in_share(SALT, f"user-{number}", percent) for number in range(10_000))
    share = percent / 100
    assert abs(hits - 10_000 * share) <= 5 * math.sqrt(10_000 * share * (1 - share))


@given(salt=st.text(), key=st.text(), small=st.floats(0.01, 100), more=st.floats(0, 100))
def test_who_is_in_a_share_is_in_every_larger_one(salt: str, key: str, small: float, more: float) -> None:
    """A user who has seen the canary keeps it when its share grows; any text is a key."""
    assert in_share(salt, key, min(100.0, small + more)) >= in_share(salt, key, small)
    assert 0 <= bucket(salt, key) < BUCKETS


def test_everybody_is_in_the_whole() -> None:
    """100 percent leaves nobody out."""
    assert all(in_share(SALT, str(number), 100) for number in range(1000))


def test_another_salt_is_another_split() -> None:
    """Otherwise the same users would try every canary."""
    first = {number for number in range(10_000) if in_share(SALT, str(number), 5)}
    second = {number for number in range(10_000) if in_share("cd" * 32, str(number), 5)}
    assert len(first & second) < len(first) / 4


def test_a_lone_surrogate_is_a_key_too() -> None:
    """JSON can carry one in `user`."""
    assert bucket(SALT, "\ud800") != bucket(SALT, "\ud801")
