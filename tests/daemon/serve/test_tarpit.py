"""Who is refused over and over waits, and nobody else."""

from kits.clock import Clock

from hotswapd.daemon.serve.tarpit import FREE, LONGEST, PER_SECOND, Tarpit


def test_the_first_refusals_are_free_and_the_next_come_at_a_steady_rate() -> None:
    tarpit = Tarpit(Clock())
    assert [tarpit.wait("10.0.0.1") for _ in range(FREE)] == [0.0] * FREE
    assert [tarpit.wait("10.0.0.1") for _ in range(3)] == [1 / PER_SECOND, 2 / PER_SECOND, 3 / PER_SECOND]


def test_nobody_waits_for_the_refusals_of_another() -> None:
    tarpit = Tarpit(Clock())
    for _ in range(10 * FREE):
        tarpit.wait("10.0.0.1")
    assert tarpit.wait("10.0.0.2") == 0.0


def test_no_refusal_waits_longer_than_the_limit_and_time_forgives_all() -> None:
    clock = Clock()
    tarpit = Tarpit(clock)
    assert max(tarpit.wait("10.0.0.1") for _ in range(1000)) == LONGEST
    clock.advance(LONGEST)
    assert tarpit.wait("10.0.0.1") == 1 / PER_SECOND
    clock.advance((FREE + 1) / PER_SECOND)
    assert [tarpit.wait("10.0.0.1") for _ in range(FREE)] == [0.0] * FREE


def test_a_network_of_one_customer_is_one_address() -> None:
    """Who has an IPv6 address has 2^64 of them; a scope is no part of it."""
    tarpit = Tarpit(Clock())
    for host in range(FREE):
        assert tarpit.wait(f"2001:db8:1:2::{host + 1:x}") == 0.0
    assert tarpit.wait("2001:db8:1:2:ffff::1%eth0") > 0.0
    assert tarpit.wait("2001:db8:1:3::1") == 0.0


def test_the_control_socket_has_no_address_and_never_waits() -> None:
    tarpit = Tarpit(Clock())
    assert {tarpit.wait("") for _ in range(10 * FREE)} == {0.0}


def test_the_table_is_bounded_and_the_newest_stay_in_it() -> None:
    tarpit = Tarpit(Clock())
    for _ in range(2 * FREE):
        tarpit.wait("10.9.9.9")
    for number in range(4095):
        tarpit.wait(f"10.0.{number >> 8}.{number & 255}")
    assert tarpit.wait("10.9.9.9") > 0.0
    for number in range(4096):
        tarpit.wait(f"10.1.{number >> 8}.{number & 255}")
    assert tarpit.wait("10.9.9.9") == 0.0
