"""Times in every output."""

from hotswapd.daemon.ledger.moment import moment


def test_a_time_is_utc_to_the_millisecond() -> None:
    """Times read the same in every output; no time is null."""
    assert moment(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"
    assert moment(None) is None
