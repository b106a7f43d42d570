"""The sample of what a live generation answers: bounded, from many, forgotten, and shown nowhere."""

import random
from typing import Any

import pytest

from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.live.sample import ANSWERS, FROM_ONE, TOKENS, Sample
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.swap.rows.ended import Ended

SECRET = (4711, 4712, 4713)


def ended(client: str = " 192.0.2.1", generation: int = 1, **how: Any) -> Ended:
    usual: dict[str, Any] = {"token_ids": SECRET, "finish": "stop", "prompt": (1, 2), "client": client}
    return Ended(generation=generation, non_finite=False, seconds=0.1, **{**usual, **how})


def fed(count: int, client: str = "", **how: Any) -> Sample:
    made = Sample(random.Random(1))
    for at in range(count):
        made.add(ended(client or f" 192.0.2.{at % 200}", **how))
    return made


def test_it_keeps_so_many_answers_and_tokens_and_no_more() -> None:
    """Of many, of long ones, and of prompts that are longer than what is kept of each."""
    assert len(fed(1000)) == ANSWERS
    long = fed(1000, token_ids=tuple(range(500)), prompt=tuple(range(3000)))
    assert len(long) >= 16
    assert long.tokens <= TOKENS
    example = long.answers()[0].example
    assert example.tokens == (*range(3000 - 272, 3000), *range(128))
    assert example.given == 272


def test_half_of_it_at_most_is_from_one_client() -> None:
    """Even if nobody else asks, and whatever address a key is used from."""
    assert len(fed(1000, " 192.0.2.1")) == FROM_ONE
    made = Sample(random.Random(1))
    for at in range(1000):
        made.add(ended(f"alice 192.0.2.{at % 200}"))
    assert len(made) == FROM_ONE


def test_every_answer_since_it_went_live_is_as_likely_as_any_other() -> None:
    """A reservoir: neither the first ones nor the last ones are preferred."""
    halves = [0, 0]
    for seed in range(60):
        made = Sample(random.Random(seed))
        for at in range(400):
            made.add(ended(f" 192.0.2.{at % 200}", prompt=(at,)))
        for one in made.answers():
            halves[one.example.tokens[0] >= 200] += 1
    assert sum(halves) == 60 * ANSWERS
    assert abs(halves[0] / sum(halves) - 0.5) < 0.03


@pytest.mark.parametrize(
    "how",
    [
        {"usual": False},
        {"finish": "error"},
        {"finish": "cancelled"},
        {"token_ids": ()},
        {"prompt": ()},
    ],
)
def test_what_says_more_of_the_request_than_of_the_model_is_left_out(how: dict[str, Any]) -> None:
    """Extreme sampling, failed answers and empty ones."""
    assert len(fed(50, **how)) == 0


def test_it_goes_with_its_generation_and_with_the_gate() -> None:
    """The next one starts anew, the base is not sampled, and nothing is kept where nobody would look at it."""
    watch = LiveWatch(Watch())
    watch.began(1, 0.0)
    watch.ended(ended())
    assert len(watch.sample) == 1
    watch.began(1, 0.0)
    assert len(watch.sample) == 1
    watch.began(2, 0.0)
    assert len(watch.sample) == 0
    watch.ended(ended(generation=1))
    assert len(watch.sample) == 0
    watch.began(0, 0.0)
    watch.ended(ended(generation=0))
    assert len(watch.sample) == 0
    watch.began(3, 0.0)
    watch.ended(ended(generation=3))
    watch.sample.keep(False)
    watch.ended(ended(generation=3))
    assert len(watch.sample) == 0


def test_no_repr_shows_what_clients_wrote() -> None:
    """Neither that of the sample nor those of what goes into it and comes out of it."""
    made = fed(3)
    shown = f"{made!r} {made.answers()!r} {ended()!r} {made.__dict__!r}"
    assert "4711" not in shown
