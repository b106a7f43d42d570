"""Whose a request is: a key's, or an address's where there are no keys."""

import pytest

from hotswapd.daemon.live.clients import whose


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("alice 192.0.2.1", "key alice"),
        ("alice and bob 192.0.2.1", "key alice and bob"),
        (" 192.0.2.1", "address 192.0.2.1"),
        (" ::ffff:192.0.2.1", "address 192.0.2.1"),
        (" 2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2::"),
        (" fe80::1%eth0", "address fe80::"),
        (" ", "address "),
        ("", "address "),
    ],
)
def test_a_key_counts_before_an_address_and_a_network_is_one(client: str, expected: str) -> None:
    """Whoever has an IPv6 network has as many addresses as there are requests."""
    assert whose(client) == expected
