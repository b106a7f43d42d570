"""What the clients of a load saw, as figures."""

import pytest

from hotswapd.daemon.bench.load import Answer, first_tokens, longest_gap, shared_time, tokens_per_second


def test_what_clients_saw_is_counted() -> None:
    """Tokens inside the window count; a request that was never let in counts with the time that it waited."""
    answers = [Answer(0.0, 1, [1.0, 2.0, 5.0]), Answer(1.0, 2, [3.0, 4.0]), Answer(2.0)]
    assert tokens_per_second(answers, 0.0, 4.0) == pytest.approx(3 / 4)
    assert first_tokens(answers, 4.0) == [1.0, 2.0, 2.0]
    assert longest_gap(answers) == 3.0
    assert shared_time(answers, 0.0, 10.0) == pytest.approx(0.3)  # from 1 to 4 both were under way
