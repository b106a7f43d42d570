"""What is counted of a generation's requests, and which answers are degenerate."""

from dataclasses import replace

from kits.clock import Clock

from hotswapd.daemon.host.running_clock import RunningClock
from hotswapd.daemon.live.tally import Tally, compared, fairly_timed, is_degenerate
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.paces import Load, load_of


def ended(tokens: int = 11, finish: str = "stop", non_finite: bool = False) -> Ended:
    return Ended(1, tuple(range(tokens)), finish, non_finite, 0.5)


def test_each_kind_of_request_is_counted() -> None:
    """A request may be bad in more than one way."""
    tally = Tally()
    tally.add(ended())
    tally.add(ended(finish="error", non_finite=True))
    tally.add(Ended(1, (7,) * 40, "length", False, 1.0))
    assert (tally.requests, tally.errors, tally.non_finite, tally.degenerate) == (3, 1, 1, 1)
    assert tally.share(tally.errors) == 1 / 3


def test_an_answer_to_extreme_sampling_is_not_called_degenerate() -> None:
    """Whoever asks for it with a bias or at a high temperature gets what it asks for."""
    tally = Tally()
    tally.add(Ended(1, (7,) * 40, "length", False, 1.0, usual=False))
    assert (tally.requests, tally.degenerate) == (1, 0)


def test_what_is_left_without_one_client_is_known_for_each() -> None:
    """A key counts as one, wherever it is used."""
    tally = Tally()
    for client, finish in (
        ("a 1.1.1.1", "error"),
        ("a 2.2.2.2", "error"),
        ("b 1.1.1.1", "stop"),
        ("c 1.1.1.1", "stop"),
    ):
        tally.add(Ended(1, (1,), finish, False, 1.0, client=client))
    assert [(one.requests, one.errors) for one in tally.without_one()] == [(2, 0), (3, 2), (3, 2)]


def test_beyond_so_many_clients_the_rest_counts_as_one() -> None:
    """Memory is bounded, and whoever has many addresses gains nothing by more of them."""
    tally = Tally()
    for at in range(5000):
        tally.add(Ended(1, (1,), "stop", False, 1.0, client=f"key{at} 1.1.1.1"))
    assert len(tally.clients) == 4097
    assert min(one.requests for one in tally.without_one()) == 5000 - (5000 - 4096)


def paced(load: Load, seconds: float, count: int = 20) -> Tally:
    tally = Tally()
    for _ in range(count):
        tally.add(Ended(1, (1, 2), "stop", False, seconds, paces=((load, seconds),)))
    return tally


def test_steps_are_compared_at_the_same_load() -> None:
    """Sixty-four rows after one take longer, and that says nothing of the adapter."""
    alone, crowd = load_of(1, 50), load_of(64, 6000)
    assert compared(paced(crowd, 0.5), [paced(alone, 0.01)], 10) is None
    found = compared(paced(crowd, 0.5), [paced(alone, 0.01), paced(crowd, 0.25)], 10)
    assert found is not None
    assert found.ratio == 2.0
    busy = paced(crowd, 0.25, 5)
    busy.paces[crowd].extend([9.0] * 15)  # another program has the machine
    found = compared(busy, [paced(crowd, 0.25)], 10)
    assert found is not None
    assert found.ratio == 1.0
    assert compared(paced(alone, 0.1, 9), [paced(alone, 0.01)], 10) is None


def test_nothing_has_no_share() -> None:
    assert Tally().share(0) == 0.0


def test_only_the_newest_paces_are_kept() -> None:
    tally = Tally()
    for _ in range(600):
        tally.add(Ended(1, (1, 2), "stop", False, 1.0, paces=(((1, 1), 0.1),)))
    assert len(tally.paces[1, 1]) == 512


def test_only_a_long_run_of_one_token_is_degenerate() -> None:
    """Thirty-two tokens of which nine in ten are the same; neither a short answer nor a repeated sentence is."""
    assert is_degenerate((1, 2, 3) + (7,) * 32)
    assert is_degenerate((7,) * 30 + (1, 2))
    assert not is_degenerate((7,) * 28 + (1, 2, 3, 4))
    assert not is_degenerate((7,) * 31)
    assert not is_degenerate((7, 8) * 40)


def test_times_count_only_where_the_machine_had_time() -> None:
    """A request within which the process waited for a processor says how it ended, and not how long its steps took."""
    real = Clock(100.0)
    clock = RunningClock(real)
    clock.tick()
    slow = Ended(1, (1, 2), "stop", False, 0.9, 0.1, paces=(((1, 1), 0.9),))
    assert fairly_timed(slow, clock) == slow
    real.advance(0.5)
    clock.tick()
    delayed = fairly_timed(slow, clock)
    assert delayed == replace(slow, delayed=True)
    tally = Tally()
    tally.add(delayed)
    assert (tally.requests, dict(tally.paces)) == (1, {})
    for _ in range(4):
        real.advance(0.2)
        clock.tick()
    assert fairly_timed(slow, clock).delayed, "it was late within its first token's time"
    real.advance(0.21)
    clock.tick()
    assert fairly_timed(slow, clock) == slow
