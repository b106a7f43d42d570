"""So many in a minute: evenly filled, and overdrawn by what was not known before."""

from kits.clock import Clock

from hotswapd.daemon.serve.rate import Rate


def test_as_many_as_allowed_and_then_one_a_second() -> None:
    clock = Clock()
    rate = Rate(60, clock)
    for _ in range(60):
        assert rate.wait(1) == 0
        rate.spend(1)
    assert rate.wait(1) == 1.0
    clock.advance(1.0)
    assert rate.wait(1) == 0


def test_an_overdraft_is_waited_for() -> None:
    clock = Clock()
    rate = Rate(600, clock)
    rate.spend(900)
    assert rate.wait(0) == 30.0
    clock.advance(30.0)
    assert rate.wait(0) == 0


def test_a_bucket_holds_one_minute() -> None:
    clock = Clock()
    rate = Rate(60, clock)
    clock.advance(3600.0)
    rate.spend(60)
    assert rate.wait(1) == 1.0


def test_zero_is_any_number() -> None:
    rate = Rate(0)
    rate.spend(1 << 40)
    assert rate.wait(1) == 0
