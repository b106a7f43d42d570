"""What is counted of a generation's requests, and which answers are degenerate."""

from hotswapd.daemon.live.tally import Tally, is_degenerate
from hotswapd.swap.rows.ended import Ended


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


def test_a_pace_needs_two_tokens() -> None:
    """Seconds run from the first token to the last, so one token alone has none."""
    tally = Tally()
    for tokens in (0, 1, 6):
        tally.add(ended(tokens))
    assert list(tally.paces) == [0.1]


def test_nothing_has_no_share() -> None:
    assert Tally().share(0) == 0.0


def test_only_the_newest_paces_are_kept() -> None:
    tally = Tally()
    for _ in range(600):
        tally.add(ended())
    assert len(tally.paces) == 512


def test_only_a_long_run_of_one_token_is_degenerate() -> None:
    """Thirty-two tokens of which nine in ten are the same; neither a short answer nor a repeated sentence is."""
    assert is_degenerate((1, 2, 3) + (7,) * 32)
    assert is_degenerate((7,) * 30 + (1, 2))
    assert not is_degenerate((7,) * 28 + (1, 2, 3, 4))
    assert not is_degenerate((7,) * 31)
    assert not is_degenerate((7, 8) * 40)
