"""Pauses double up to a limit and stay there."""

from itertools import islice

from hotswapd.loaders.backoff import backoff


def test_pauses_double_up_to_the_limit() -> None:
    assert list(islice(backoff(1.0, 30.0), 8)) == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
