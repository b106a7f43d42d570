"""Large bodies share a bounded memory; small ones never wait for it."""

import pytest

from hotswapd.daemon.errors import Busy
from hotswapd.daemon.serve.bodies import Bodies

KIB = 1 << 10


def test_large_bodies_share_a_bounded_memory() -> None:
    """One client has half of it at most, whatever is free."""
    bodies = Bodies(400 * KIB)
    with bodies.of("a") as one, bodies.of("b") as other, bodies.of("c") as third:
        one.grows(100 * KIB)
        one.grows(200 * KIB)
        with pytest.raises(Busy):
            one.grows(201 * KIB)
        other.grows(200 * KIB)
        assert bodies.held == 400 * KIB
        with pytest.raises(Busy):
            third.grows(65 * KIB)
        third.grows(64 * KIB)  # a small one always fits
    assert bodies.held == 0


def test_what_has_ended_is_counted_no_more() -> None:
    bodies = Bodies(400 * KIB)
    for _ in range(10):
        with bodies.of("a") as body:
            body.grows(150 * KIB)
    with pytest.raises(Busy), bodies.of("a") as body:
        body.grows(250 * KIB)
    assert bodies.held == 0
